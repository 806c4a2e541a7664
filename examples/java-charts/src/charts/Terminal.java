package charts;

import java.awt.image.BufferedImage;

/** An image in characters. */
final class Terminal {
    private Terminal() {}

    static String show(BufferedImage image) {
        StringBuilder text = new StringBuilder();
        for (int y = 0; y < image.getHeight(); y += 4) {
            StringBuilder line = new StringBuilder();
            for (int x = 0; x < image.getWidth(); x += 2) {
                int rgb = image.getRGB(x, y);
                int grey = ((rgb >> 16 & 255) + (rgb >> 8 & 255) + (rgb & 255)) / 3;
                line.append(" .:*#".charAt(4 - grey * 4 / 255));
            }
            text.append(line.toString().stripTrailing()).append('\n');
        }
        return text.toString();
    }
}
