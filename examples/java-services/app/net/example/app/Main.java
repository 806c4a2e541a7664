package net.example.app;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.ServiceLoader;
import net.example.render.Renderer;

/** Reads lines of {@code name=value;name=value}, sends them through steps, and writes each in a format. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws IOException {
        Properties settings = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(System.getProperty("settings", "conf/app.properties")))) {
            settings.load(reader);
        }
        String format = arguments.length > 0 ? arguments[0] : settings.getProperty("format");
        Renderer renderer = null;
        for (Renderer candidate : ServiceLoader.load(Renderer.class)) {
            if (candidate.format().equals(format)) {
                renderer = candidate;
            }
        }
        if (renderer == null) {
            System.err.println("there is no renderer for " + format);
            System.exit(1);
        }
        List<Step> steps = new ArrayList<>();
        for (String name : settings.getProperty("steps", "").split(",")) {
            try {
                steps.add((Step) Class.forName(name.trim()).getDeclaredConstructor().newInstance());
            } catch (ReflectiveOperationException error) {
                System.err.println("there is no step " + name + ": " + error.getClass().getSimpleName());
                System.exit(2);
            }
        }
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            Map<String, String> fields = new LinkedHashMap<>();
            for (String field : line.split(";")) {
                int equals = field.indexOf('=');
                if (equals > 0) {
                    fields.put(field.substring(0, equals), field.substring(equals + 1));
                }
            }
            for (Step step : steps) {
                fields = step.apply(fields);
            }
            System.out.write((renderer.render(fields) + "\n").getBytes(StandardCharsets.UTF_8));
        }
        System.out.flush();
    }
}
