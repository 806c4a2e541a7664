# What a program in Python asks of its base.
import bz2, ctypes, ctypes.util, datetime, hashlib, lzma, os, pwd, socket, sqlite3, ssl, subprocess, sys, time, urllib.error, urllib.request, zlib, zoneinfo


def lab():
    try:
        return urllib.request.urlopen("https://" + os.environ["LAB"]).status
    except urllib.error.URLError as error:
        return type(error.reason).__name__


def is_read_only(path):
    try:
        open(path, "w")
    except OSError:
        return True


print("hello from", os.getuid(), sys.executable)
print(datetime.datetime.fromtimestamp(1700000000, zoneinfo.ZoneInfo("Europe/Kiev")).isoformat(), time.tzname[0])
print(pwd.getpwnam("nonroot").pw_uid, socket.gethostbyname("hosts.test"))
print(ssl.create_default_context().cert_store_stats()["x509_ca"] > 100)
print(sqlite3.connect(":memory:").execute("select 6*7").fetchone()[0])
print(lzma.decompress(lzma.compress(b"x")), bz2.decompress(bz2.compress(b"y")), zlib.decompress(zlib.compress(b"z")))
print(ctypes.util.find_library("ssl"), ctypes.CDLL("libc.so.6").abs(-5), "ünï".encode("euc-jp", "replace"))
print(hashlib.scrypt(b"", salt=b"", n=2, r=1, p=1).hex()[:8], subprocess.run([sys.executable, "-c", ""]).returncode)
print("read-only:", is_read_only("/tmp/x"))
print("the lab says", lab())
