FROM debian:13
RUN apt-get update && apt-get install -y --no-install-recommends \
      build-essential \
      # the database's client library
      libpq-dev \

      golang=1.21 \
    && rm -rf /var/lib/apt/lists/*
RUN apk add --no-cache --virtual .build-deps gcc musl-dev && pip install "flask>=3,<4" && apk del .build-deps
RUN yum install -y httpd php-* && yum clean all && rm -rf /var/cache/yum/{x86_64,noarch}
RUN dnf -y --setopt=install_weak_deps=False install 'dnf-command(config-manager)' ; dnf clean all
RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt -c <(sed 's/#.*//' constraints.txt)
RUN npm ci --only=production && npm cache clean --force || (cat /root/.npm/_logs/*.log; exit 1)
RUN CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH="$TARGETARCH" go build -trimpath -ldflags="-s -w -X main.version=$(git describe --tags)" -o /bin/app ./cmd/app
RUN cargo build --release --locked && cp target/release/app /usr/local/bin/ && cargo clean
RUN mvn -B -DskipTests -Dmaven.repo.local=/m2 package && mv target/*.jar /app.jar
RUN groupadd --system --gid 999 app && useradd --system --gid app --no-create-home --home /nonexistent --comment "app user" --shell /bin/false --uid 999 app
RUN adduser -D -u "${APP_UID}" app; addgroup app wheel
RUN curl -fsSL "https://example.org/v${VERSION}/tool-$(uname -m).tar.gz" | tar -xz -C /opt --strip-components=1
RUN wget -qO- https://example.org/key.asc | gpg --dearmor >/usr/share/keyrings/example.gpg
RUN echo "deb [signed-by=/usr/share/keyrings/example.gpg] https://example.org/apt $(. /etc/os-release && echo "$VERSION_CODENAME") main" > /etc/apt/sources.list.d/example.list
RUN set -eux; \
	savedAptMark="$(apt-mark showmanual)"; \
	apt-get update; \
	apt-get install -y --no-install-recommends ca-certificates wget; \
	rm -rf /var/lib/apt/lists/*; \
	dpkgArch="$(dpkg --print-architecture | awk -F- '{ print $NF }')"; \
	wget -O /usr/local/bin/gosu "https://example.org/gosu-$dpkgArch"; \
	export GNUPGHOME="$(mktemp -d)"; \
	gpg --batch --keyserver hkps://keys.openpgp.org --recv-keys B42F6819007F00F88E364FD4036A9C25BF357DD4; \
	gpg --batch --verify /usr/local/bin/gosu.asc /usr/local/bin/gosu; \
	gpgconf --kill all; \
	rm -rf "$GNUPGHOME" /usr/local/bin/gosu.asc; \
	apt-mark auto '.*' > /dev/null; \
	[ -z "$savedAptMark" ] || apt-mark manual $savedAptMark; \
	find /usr/local -type f -executable -exec ldd '{}' ';' \
		| awk '/=>/ { print $(NF-1) }' \
		| sort -u | xargs -r dpkg-query --search | cut -d: -f1 | sort -u | xargs -r apt-mark manual; \
	chmod +x /usr/local/bin/gosu
RUN if [ "$NODE_ENV" = "production" ]; then npm prune --production; elif [ -f yarn.lock ]; then yarn install --frozen-lockfile; else npm install; fi
RUN for module in rewrite headers ssl; do a2enmod "$module" || exit 1; done && a2dissite 000-default
RUN case "$(dpkg --print-architecture)" in \
      amd64) arch=x86_64 ;; \
      arm64|aarch64) arch=aarch64 ;; \
      *) echo >&2 "unsupported: $(uname -m)"; exit 1 ;; \
    esac && curl -Lo /usr/local/bin/tool "https://example.org/tool-${arch}"
RUN install_tool() { \
      name="$1"; shift; \
      curl -fsSLo "/usr/local/bin/$name" "$@" && chmod 0755 "/usr/local/bin/$name"; \
    }; \
    install_tool one https://example.org/one && install_tool two https://example.org/two
RUN (cd /tmp && make -j"$(nproc)" install) && rm -rf /tmp/*
RUN cd /usr/src/app && ./configure --prefix=/usr --enable-shared && make && make install && cd .. && rm -rf app
RUN { echo 'opcache.memory_consumption=128'; echo 'opcache.revalidate_freq=2'; } > /usr/local/etc/php/conf.d/opcache.ini
RUN ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
RUN sed -i -e 's/^#\(PermitRootLogin\).*/\1 no/' -e "s|@PORT@|${PORT}|g" /etc/ssh/sshd_config && echo "root:${PASSWORD:?}" | chpasswd
RUN echo "${SHA256}  /tmp/tool.tgz" | sha256sum -c - && tar xzf /tmp/tool.tgz -C / && rm /tmp/tool.tgz
RUN <<EOF
set -e
apt-get update
apt-get install -y \
    curl \
    jq   # for the check
rm -rf /var/lib/apt/lists/*
EOF
RUN <<-'EOT' bash -eo pipefail
	for version in 3.11 3.12; do
		pyenv install "$version" || { echo "no $version" >&2; exit 1; }
	done
EOT
RUN cat <<EOF > /etc/app.conf && chown app: /etc/app.conf
listen = ${PORT:-8080}
host = $(hostname) `date +%Y`
EOF
RUN <<EOF
#!/usr/bin/env bash
set -euo pipefail
declare -a packages=(curl "jq=$JQ")
if [[ -n ${EXTRA:-} && $EXTRA =~ ^(a|b)+$ ]]; then packages+=("$EXTRA"); fi
apt-get install -y "${packages[@]}" &> /tmp/log
(( ${#packages[@]} > 2 )) && echo many
while read -r line; do echo "$line"; done < <(ls /etc)
cat > /etc/motd <<'MOTD'
it's $HOME
MOTD
EOF
RUN <<EOF
#!/usr/bin/env python3
print("it's not a shell")
EOF
RUN python3 - <<'PY' | tee /log
import sys; print("a' b")
PY
RUN npm install -g pnpm@9 && pnpm config set store-dir /pnpm && pnpm install --frozen-lockfile --prod
RUN gem install bundler -v "$(tail -1 Gemfile.lock | tr -d ' ')" && bundle config set --local without 'development test' && bundle install --jobs 4
RUN composer install --no-dev --no-scripts --prefer-dist && composer dump-autoload -o
RUN dotnet publish -c Release -o /out --no-restore /p:PublishTrimmed=true
RUN sudo -E -u postgres psql -c "CREATE ROLE \"$DB_USER\" LOGIN" && sudo rm -rf ~/.psql_history
RUN env DEBIAN_FRONTEND=noninteractive apt-get -qqy install tzdata </dev/null >/dev/null 2>&1
RUN test -n "$TOKEN" && [ ! -e /etc/x ] && ! grep -qE '^(a|b)' /etc/passwd && time make; nice -n 10 make check &
RUN until pg_isready -q; do sleep 1; tries=$((tries + 1)); [ $tries -lt ${MAX:-10} ] || break; done; wait
RUN x=`echo \`uname\` | tr A-Z a-z`; printf '%s\n' "$x" 'é ü' $'\t' | od -c >> /tmp/é
CMD exec java ${JAVA_OPTS} -jar /app.jar "$@"
HEALTHCHECK --interval=5s CMD curl -fs "http://localhost:${PORT}/" || exit 1
ONBUILD RUN pip install -r requirements.txt && rm requirements.txt
