package net.example.shifts;

import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.text.NumberFormat;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.format.TextStyle;
import java.util.Currency;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.ResourceBundle;
import java.util.TreeMap;

/** Adds up shifts; one that goes over a change of the clocks has its real length. */
final class Report {
    private final ZoneId zone;
    private final Locale language;
    private final Rates rates;
    private final ResourceBundle words;
    private final Map<String, Duration> hours = new TreeMap<>();
    private final Map<String, String> last = new TreeMap<>();

    Report(String zone, Locale language, Rates rates) {
        this.zone = ZoneId.of(zone);
        this.language = language;
        this.rates = rates;
        this.words = ResourceBundle.getBundle("net.example.shifts.words", language);
    }

    void add(List<String> lines) {
        for (String line : lines) {
            String[] fields = line.trim().split("\\s+");
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            if (fields.length != 3) {
                throw new IllegalArgumentException("`" + line + "` is not NAME FROM TO");
            }
            ZonedDateTime from = LocalDateTime.parse(fields[1]).atZone(zone);
            ZonedDateTime to = LocalDateTime.parse(fields[2]).atZone(zone);
            hours.merge(fields[0], Duration.between(from, to), Duration::plus);
            last.put(fields[0], to.getDayOfWeek().getDisplayName(TextStyle.FULL, language));
        }
    }

    void print(PrintStream out) {
        NumberFormat money = NumberFormat.getCurrencyInstance(language);
        money.setCurrency(Currency.getInstance(rates.currency()));
        BigDecimal total = BigDecimal.ZERO;
        for (Map.Entry<String, Duration> entry : hours.entrySet()) {
            BigDecimal worked = BigDecimal.valueOf(entry.getValue().toMinutes()).divide(BigDecimal.valueOf(60), 2, RoundingMode.HALF_UP);
            BigDecimal pay = worked.multiply(rates.of(entry.getKey()));
            total = total.add(pay);
            out.printf(language, "%-10s %8.2f %s  %s  (%s %s)%n", entry.getKey(), worked, words.getString("hours"),
                    money.format(pay), words.getString("until"), last.get(entry.getKey()));
        }
        out.printf("%s: %s%n", words.getString("total"), money.format(total));
    }
}
