package lab;

import java.sql.Connection;
import java.sql.DriverPropertyInfo;
import java.util.Properties;
import java.util.logging.Logger;

/** A service that a library offers. */
public class Driver implements java.sql.Driver {
    static {
        try {
            java.sql.DriverManager.registerDriver(new Driver());
        } catch (java.sql.SQLException error) {
            throw new ExceptionInInitializerError(error);
        }
    }

    public boolean acceptsURL(String url) {
        return url.startsWith("lab:");
    }

    public Connection connect(String url, Properties info) {
        return null;
    }

    public int getMajorVersion() {
        return 42;
    }

    public int getMinorVersion() {
        return 0;
    }

    public Logger getParentLogger() {
        return null;
    }

    public DriverPropertyInfo[] getPropertyInfo(String url, Properties info) {
        return new DriverPropertyInfo[0];
    }

    public boolean jdbcCompliant() {
        return false;
    }
}
