package net.example.steps;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import net.example.app.Step;

public final class Fingerprint implements Step {
    @Override
    public Map<String, String> apply(Map<String, String> fields) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            fields.forEach((name, value) -> digest.update((name + "=" + value + "\n").getBytes(StandardCharsets.UTF_8)));
            Map<String, String> signed = new LinkedHashMap<>(fields);
            signed.put("fingerprint", HexFormat.of().formatHex(digest.digest(), 0, 8));
            return signed;
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }
}
