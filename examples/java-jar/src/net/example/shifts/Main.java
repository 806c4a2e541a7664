package net.example.shifts;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Says who works how long: {@code shifts [--zone ZONE] [--language TAG] [--rates FILE] [FILE...]}. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        System.exit(run(List.of(arguments), new PrintStream(System.out, true, StandardCharsets.UTF_8), System.err));
    }

    static int run(List<String> arguments, PrintStream out, PrintStream err) {
        String zone = "Europe/London";
        Locale language = Locale.ENGLISH;
        Path rates = Path.of("rates.properties");
        List<Path> files = new ArrayList<>();
        try {
            for (int i = 0; i < arguments.size(); i++) {
                switch (arguments.get(i)) {
                    case "--zone" -> zone = arguments.get(++i);
                    case "--language" -> language = Locale.forLanguageTag(arguments.get(++i));
                    case "--rates" -> rates = Path.of(arguments.get(++i));
                    default -> files.add(Path.of(arguments.get(i)));
                }
            }
            Report report = new Report(zone, language, Rates.load(rates));
            if (files.isEmpty()) {
                BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
                report.add(input.lines().toList());
            }
            for (Path file : files) {
                report.add(Files.readAllLines(file));
            }
            report.print(out);
            return 0;
        } catch (NoSuchFileException error) {
            err.println("shifts: there is no " + error.getFile());
        } catch (IOException | DateTimeException | IllegalArgumentException error) {
            err.println("shifts: " + error.getMessage());
        } catch (IndexOutOfBoundsException error) {
            err.println("usage: shifts [--zone ZONE] [--language TAG] [--rates FILE] [FILE...]");
            return 2;
        }
        return 1;
    }
}
