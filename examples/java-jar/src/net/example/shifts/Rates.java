package net.example.shifts;

import java.io.IOException;
import java.io.Reader;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** What an hour of somebody costs. */
final class Rates {
    private final Properties values = new Properties();

    static Rates load(Path file) throws IOException {
        Rates rates = new Rates();
        try (Reader reader = Files.newBufferedReader(file)) {
            rates.values.load(reader);
        }
        return rates;
    }

    BigDecimal of(String name) {
        return new BigDecimal(values.getProperty(name, values.getProperty("default", "0")));
    }

    String currency() {
        return values.getProperty("currency", "EUR");
    }
}
