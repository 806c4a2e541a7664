package net.example.steps;

import java.util.LinkedHashMap;
import java.util.Map;
import net.example.app.Step;

public final class Trim implements Step {
    @Override
    public Map<String, String> apply(Map<String, String> fields) {
        Map<String, String> trimmed = new LinkedHashMap<>();
        fields.forEach((name, value) -> trimmed.put(name.trim(), value.trim()));
        return trimmed;
    }
}
