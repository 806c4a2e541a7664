package lab;

/** What any Java loads. */
public class Release {
    public static String name() {
        return "any, " + javax.naming.Context.PROVIDER_URL.length();
    }
}
