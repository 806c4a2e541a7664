package charts;

import java.util.List;

/** A bar's name and length. */
record Bar(String name, double value) {
    static List<Bar> parse(String text) {
        return text.lines().filter(line -> !line.isBlank()).map(Bar::line).toList();
    }

    private static Bar line(String line) {
        int space = line.lastIndexOf(' ');
        try {
            return new Bar(line.substring(0, space).trim(), Double.parseDouble(line.substring(space + 1)));
        } catch (IndexOutOfBoundsException | NumberFormatException error) {
            throw new IllegalArgumentException("`" + line + "` is not NAME NUMBER");
        }
    }
}
