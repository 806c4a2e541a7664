package net.example.app;

import java.util.Map;

/** Changes the fields of a record. */
public interface Step {
    Map<String, String> apply(Map<String, String> fields);
}
