import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.net.InetAddress;
import java.net.URL;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** Does what programs do that need the module java.base alone, and says for each thing how it went. */
public class Basics {
    interface Feature {
        Object run() throws Exception;
    }

    static void check(String name, Feature feature) {
        try {
            System.out.println(name + ": " + feature.run());
        } catch (Throwable error) {
            System.out.println(name + ": FAILED " + error);
        }
    }

    static X509TrustManager manager(KeyStore store) throws Exception {
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        for (TrustManager manager : factory.getTrustManagers()) {
            if (manager instanceof X509TrustManager) {
                return (X509TrustManager) manager;
            }
        }
        throw new IllegalStateException("no manager");
    }

    static Object lab() throws Exception {
        URL url = new URL("https://" + System.getenv("LAB") + "/");
        try {
            return ((HttpsURLConnection) url.openConnection()).getResponseCode();
        } catch (SSLHandshakeException error) {
            return error.getMessage().contains("PKIX") ? "not trusted" : error.getMessage();
        }
    }

    public static void main(String[] arguments) throws Exception {
        check("random", () -> {
            byte[] bytes = new byte[16];
            new SecureRandom().nextBytes(bytes);
            SecureRandom.getInstanceStrong();
            return bytes.length;
        });
        check("zones", () -> ZonedDateTime.of(2024, 7, 1, 12, 0, 0, 0, ZoneId.of("UTC"))
                .withZoneSameInstant(ZoneId.of("Europe/Kiev")).toLocalTime() + " " + ZoneId.systemDefault());
        check("issuers are those of the bundle", () -> {
            long bundle = Files.lines(Path.of("/etc/ssl/certs/ca-certificates.crt"))
                    .filter(line -> line.startsWith("-----BEGIN")).count();
            return bundle > 100 && manager(null).getAcceptedIssuers().length == bundle;
        });
        check("process", () -> {
            Process process = new ProcessBuilder("/usr/bin/java", "-version").redirectErrorStream(true).start();
            process.getInputStream().readAllBytes();
            return process.waitFor();
        });
        check("zip", () -> {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            try (ZipOutputStream zip = new ZipOutputStream(out)) {
                zip.putNextEntry(new ZipEntry("a"));
                zip.write(new byte[1000]);
            }
            try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(out.toByteArray()))) {
                zip.getNextEntry();
                return zip.readAllBytes().length;
            }
        });
        check("charset", () -> Charset.defaultCharset() + " " + System.getProperty("sun.jnu.encoding"));
        check("names of files", () -> new File("/\u00fcber").toPath().toString().length());
        check("hosts", () -> InetAddress.getByName("hosts.test").getHostAddress());
        check("link", () -> Path.of("/usr/bin/java").toRealPath().startsWith("/usr/lib/jvm"));
        check("version", () -> System.getenv("JAVA_VERSION").startsWith(
                System.getProperty("java.specification.version") + "."));
        check("user", () -> System.getProperty("user.name") + " " + System.getProperty("user.home"));
        check("read-only", () -> !Files.isWritable(Path.of("/etc")) && !Files.isWritable(Path.of("/")));
        check("the lab says", Basics::lab);
    }
}
