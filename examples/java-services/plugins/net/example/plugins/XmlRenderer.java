package net.example.plugins;

import java.io.StringWriter;
import java.util.Map;
import javax.xml.stream.XMLOutputFactory;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamWriter;
import net.example.render.Renderer;

public final class XmlRenderer implements Renderer {
    @Override
    public String format() {
        return "xml";
    }

    @Override
    public String render(Map<String, String> fields) {
        try {
            StringWriter text = new StringWriter();
            XMLStreamWriter writer = XMLOutputFactory.newInstance().createXMLStreamWriter(text);
            writer.writeStartElement("record");
            for (Map.Entry<String, String> field : fields.entrySet()) {
                writer.writeStartElement(field.getKey());
                writer.writeCharacters(field.getValue());
                writer.writeEndElement();
            }
            writer.writeEndElement();
            writer.flush();
            return text.toString();
        } catch (XMLStreamException error) {
            throw new IllegalStateException(error);
        }
    }
}
