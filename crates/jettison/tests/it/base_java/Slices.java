/** Says what slices of the runtime are there. */
public class Slices {
    public static void main(String[] arguments) {
        try {
            java.util.List.of().get(0);
        } catch (IndexOutOfBoundsException error) {
            System.out.println("lines of Java's own classes: " + (error.getStackTrace()[0].getLineNumber() > 0));
        }
        System.out.println("archive of classes: " + System.getProperty("java.vm.info").contains("sharing"));
    }
}
