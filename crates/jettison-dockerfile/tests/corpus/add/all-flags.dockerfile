FROM alpine
ADD --chown=a:b --chmod=755 --link=true --keep-git-dir=true --checksum=sha256:e87caa74dcb7d46cd820352bfea12591f3dba3ddc4285e19c7dcd13359f7cefd --exclude=x https://example.com/a.git /b
