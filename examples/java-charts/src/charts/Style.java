package charts;

import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** How charts look. */
record Style(Font font, Color bar, Color text, int width) {
    static Style load() throws IOException {
        Properties values = new Properties();
        Path file = Path.of(System.getenv().getOrDefault("CHARTS_STYLE", "/etc/charts/style.properties"));
        if (Files.exists(file)) {
            try (var reader = Files.newBufferedReader(file)) {
                values.load(reader);
            }
        }
        return new Style(
                new Font(values.getProperty("font", Font.SANS_SERIF), Font.PLAIN, Integer.parseInt(values.getProperty("size", "12"))),
                Color.decode(values.getProperty("bar", "#336699")),
                Color.decode(values.getProperty("text", "#000000")),
                Integer.parseInt(values.getProperty("width", "320")));
    }
}
