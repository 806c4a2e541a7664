FROM alpine
ADD --checksum=sha256:e87caa74dcb7d46cd820352bfea12591f3dba3ddc4285e19c7dcd13359f7cefd https://a.com/x https://a.com/y /d/
