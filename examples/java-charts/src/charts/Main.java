package charts;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;

/** Draws bars: {@code charts [-o FILE.png|FILE.jpg|FILE.gif] [-t TITLE] [FILE]}; without -o, dots and lines on the terminal. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws IOException {
        String output = null;
        String title = "";
        Path input = null;
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "-o" -> output = arguments[++i];
                case "-t" -> title = arguments[++i];
                default -> input = Path.of(arguments[i]);
            }
        }
        String text = input == null ? new String(System.in.readAllBytes(), StandardCharsets.UTF_8) : Files.readString(input);
        List<Bar> bars;
        try {
            bars = Bar.parse(text);
        } catch (IllegalArgumentException error) {
            System.err.println("charts: " + error.getMessage());
            System.exit(1);
            return;
        }
        BufferedImage image = new Drawing(Style.load()).draw(title, bars);
        if (output == null) {
            System.out.print(Terminal.show(image));
            return;
        }
        String format = output.substring(output.lastIndexOf('.') + 1);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        if (!ImageIO.write(image, format, bytes)) {
            System.err.println("charts: " + format + " is no format of images");
            System.exit(1);
        }
        Files.write(Path.of(output), bytes.toByteArray());
        System.out.println(output + ": " + image.getWidth() + " by " + image.getHeight());
    }
}
