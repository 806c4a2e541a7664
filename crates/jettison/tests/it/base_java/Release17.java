package lab;

/** What Java 17 and newer ones load. */
public class Release {
    public static String name() {
        return "17, " + (java.lang.management.ManagementFactory.getRuntimeMXBean().getUptime() > 0);
    }
}
