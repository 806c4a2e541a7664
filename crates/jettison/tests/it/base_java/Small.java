import java.security.SecureRandom;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;

/** Needs java.base and java.sql. */
public class Small {
    public static void main(String[] arguments) throws Exception {
        new SecureRandom().nextInt();
        ZonedDateTime time = LocalDateTime.of(2024, 7, 1, 12, 0).atZone(ZoneId.of("Europe/Paris"));
        java.sql.Timestamp stamp = java.sql.Timestamp.from(time.toInstant());
        int code = new ProcessBuilder("/usr/bin/java", "-version").start().waitFor();
        javax.net.ssl.SSLContext.getDefault();
        System.out.println(stamp + " " + code + " " + System.getProperty("sun.jnu.encoding"));
    }
}
