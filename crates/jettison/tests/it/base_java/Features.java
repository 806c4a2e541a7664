import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.GraphicsEnvironment;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.time.LocalDate;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.prefs.Preferences;
import javax.imageio.ImageIO;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;

/** Does what programs in Java do beyond that, and says for each thing how it went. */
public class Features extends Basics {
    static Object tls() throws Exception {
        char[] password = "changeit".toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = Features.class.getResourceAsStream("/server.p12")) {
            store.load(in, password);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, password);
        SSLContext server = SSLContext.getInstance("TLS");
        server.init(keys.getKeyManagers(), null, null);
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("ca", store.getCertificate(store.aliases().nextElement()));
        SSLContext client = SSLContext.getInstance("TLS");
        client.init(null, new TrustManager[] {manager(trusted)}, null);
        com.sun.net.httpserver.HttpsServer https =
                com.sun.net.httpserver.HttpsServer.create(new java.net.InetSocketAddress("127.0.0.1", 0), 0);
        https.setHttpsConfigurator(new com.sun.net.httpserver.HttpsConfigurator(server));
        https.createContext("/", exchange -> {
            byte[] text = "hello".getBytes();
            exchange.sendResponseHeaders(200, text.length);
            exchange.getResponseBody().write(text);
            exchange.close();
        });
        https.start();
        try {
            URI uri = URI.create("https://localhost:" + https.getAddress().getPort() + "/");
            HttpRequest request = HttpRequest.newBuilder(uri).build();
            HttpResponse.BodyHandler<String> text = HttpResponse.BodyHandlers.ofString();
            String refused;
            try {
                HttpClient.newHttpClient().send(request, text);
                refused = "trusted by all";
            } catch (java.io.IOException expected) {
                refused = "refused without it";
            }
            HttpClient http = HttpClient.newBuilder().sslContext(client).build();
            return http.send(request, text).body() + ", " + refused;
        } finally {
            https.stop(0);
        }
    }

    static Object image(String format) throws Exception {
        BufferedImage image = new BufferedImage(200, 50, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setColor(Color.WHITE);
        graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 24));
        graphics.drawString("jettison", 10, 30);
        graphics.dispose();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        boolean isWritten = ImageIO.write(image, format, out);
        BufferedImage read = ImageIO.read(new ByteArrayInputStream(out.toByteArray()));
        int drawn = 0;
        for (int x = 0; x < read.getWidth(); x++) {
            for (int y = 0; y < read.getHeight(); y++) {
                if ((read.getRGB(x, y) & 0xff) > 128) {
                    drawn++;
                }
            }
        }
        return isWritten && drawn > 100;
    }

    public static void main(String[] arguments) throws Exception {
        Basics.main(arguments);
        check("fonts", () -> GraphicsEnvironment.getLocalGraphicsEnvironment().getAllFonts().length > 0);
        check("draw and png", () -> image("png"));
        check("jpeg", () -> image("jpg"));
        check("locales", () -> LocalDate.of(2024, 3, 1)
                .format(DateTimeFormatter.ofPattern("d. MMMM uuuu", Locale.GERMANY)));
        check("tls", Features::tls);
        check("preferences", () -> {
            Preferences node = Preferences.userRoot().node("jettison");
            node.put("a", "b");
            return node.get("a", "none");
        });
        check("compiler", () -> ModuleLayer.boot().findModule("jdk.compiler").isPresent());
        check("unknown", () -> {
            try {
                java.util.List.of().get(0);
                return "no error";
            } catch (IndexOutOfBoundsException error) {
                StackTraceElement[] trace = error.getStackTrace();
                return "ours has a line: " + (trace[trace.length - 1].getLineNumber() > 0);
            }
        });
    }
}
