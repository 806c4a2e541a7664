package net.example.steps;

import java.nio.charset.Charset;
import java.util.LinkedHashMap;
import java.util.Map;
import net.example.app.Step;

/** Replaces what the character set of a till printer does not have; not used by the settings that come along. */
public final class Latin implements Step {
    @Override
    public Map<String, String> apply(Map<String, String> fields) {
        Charset printer = Charset.forName("IBM850");
        Map<String, String> plain = new LinkedHashMap<>();
        fields.forEach((name, value) -> plain.put(name, new String(value.getBytes(printer), printer)));
        return plain;
    }
}
