package charts;

import java.awt.Color;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.util.List;

/** Draws bars with their names. */
final class Drawing {
    private final Style style;

    Drawing(Style style) {
        this.style = style;
    }

    BufferedImage draw(String title, List<Bar> bars) {
        int line = style.font().getSize() * 3 / 2;
        BufferedImage image = new BufferedImage(style.width(), line * (bars.size() + 1) + 8, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, image.getWidth(), image.getHeight());
        graphics.setFont(style.font());
        FontMetrics metrics = graphics.getFontMetrics();
        double largest = bars.stream().mapToDouble(Bar::value).max().orElse(1);
        int names = bars.stream().mapToInt(bar -> metrics.stringWidth(bar.name())).max().orElse(0) + 8;
        graphics.setColor(style.text());
        graphics.drawString(title, 4, line);
        for (int i = 0; i < bars.size(); i++) {
            int bottom = line * (i + 2);
            graphics.setColor(style.text());
            graphics.drawString(bars.get(i).name(), 4, bottom);
            graphics.setColor(style.bar());
            int length = (int) Math.round(Math.max(0, bars.get(i).value()) / largest * (style.width() - names - 8));
            graphics.fillRect(names, bottom - metrics.getAscent(), length, metrics.getAscent());
        }
        graphics.dispose();
        return image;
    }
}
