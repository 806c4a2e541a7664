import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.net.InetSocketAddress;
import java.net.URI;
import java.sql.DriverManager;

/** A program in a packed application: it draws, serves, asks a database, and loads a class by its name. */
public class Application {
    static boolean drawn() {
        BufferedImage image = new BufferedImage(200, 50, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setColor(Color.WHITE);
        graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 24));
        graphics.drawString("jettison", 10, 30);
        graphics.dispose();
        int white = 0;
        for (int x = 0; x < 200; x++) {
            for (int y = 0; y < 50; y++) {
                white += (image.getRGB(x, y) & 0xff) > 128 ? 1 : 0;
            }
        }
        return white > 100;
    }

    static String served() throws Exception {
        com.sun.net.httpserver.HttpServer server =
                com.sun.net.httpserver.HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, 5);
            exchange.getResponseBody().write("hello".getBytes());
            exchange.close();
        });
        server.start();
        try {
            URI uri = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/");
            return new String(uri.toURL().openStream().readAllBytes());
        } finally {
            server.stop(0);
        }
    }

    static String byName(String name) {
        try {
            return Class.forName(name).getModule().getName();
        } catch (ClassNotFoundException absent) {
            return "absent";
        }
    }

    public static void main(String[] arguments) throws Exception {
        System.out.println("drawn: " + drawn());
        System.out.println("served: " + served());
        System.out.println("database: " + DriverManager.getDriver("lab:").getMajorVersion());
        System.out.println("release: " + lab.Release.name());
        System.out.println("by name: " + byName("javax.script.ScriptEngineManager"));
    }
}
