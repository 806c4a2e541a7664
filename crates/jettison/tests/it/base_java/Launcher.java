import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/** Starts a packed application: classes are in BOOT-INF/classes, libraries in BOOT-INF/lib. */
public class Launcher {
    public static void main(String[] arguments) throws Exception {
        Path dir = Files.createTempDirectory("app");
        List<URL> places = new ArrayList<>();
        places.add(dir.resolve("BOOT-INF/classes").toUri().toURL());
        try (JarFile jar = new JarFile(Launcher.class.getProtectionDomain().getCodeSource().getLocation().getPath())) {
            for (Enumeration<JarEntry> all = jar.entries(); all.hasMoreElements(); ) {
                JarEntry entry = all.nextElement();
                Path place = dir.resolve(entry.getName());
                if (!entry.getName().startsWith("BOOT-INF/") || entry.isDirectory()) {
                    continue;
                }
                Files.createDirectories(place.getParent());
                try (InputStream in = jar.getInputStream(entry)) {
                    Files.copy(in, place);
                }
                if (entry.getName().endsWith(".jar")) {
                    places.add(place.toUri().toURL());
                }
            }
        }
        // The path with a slash at its end is a directory.
        places.set(0, new URL(places.get(0) + (places.get(0).getPath().endsWith("/") ? "" : "/")));
        URLClassLoader loader = new URLClassLoader(places.toArray(new URL[0]));
        Thread.currentThread().setContextClassLoader(loader);
        Class<?> program = loader.loadClass("Application");
        program.getMethod("main", String[].class).invoke(null, (Object) arguments);
    }
}
