package net.example.render;

import java.util.Map;

/** Writes a record in some format. */
public interface Renderer {
    /** How it is asked for. */
    String format();

    /** The text for some fields. */
    String render(Map<String, String> fields);
}
