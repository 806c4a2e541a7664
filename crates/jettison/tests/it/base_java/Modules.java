import java.lang.module.ModuleFinder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;

/** Writes which modules OpenJDK's own runtime has: those of the boot and platform loaders, and debuggers' agent. */
public class Modules {
    static boolean isOfRuntime(String name) {
        ClassLoader loader = ModuleLayer.boot().findLoader(name);
        return loader == null || loader == ClassLoader.getPlatformClassLoader() || name.equals("jdk.jdwp.agent");
    }

    public static void main(String[] arguments) throws Exception {
        Set<String> all = ModuleFinder.ofSystem().findAll().stream()
                .map(module -> module.descriptor().name()).collect(Collectors.toSet());
        Files.write(Path.of(arguments[0]), all.stream().filter(Modules::isOfRuntime).sorted().collect(Collectors.toList()));
    }
}
