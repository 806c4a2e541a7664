#!/bin/sh
# Makes lib/api.jar, lib/plugins.jar and lib/app.jar.
set -e
mkdir -p out/api out/plugins out/app lib
javac -d out/api $(find api -name '*.java')
javac -cp out/api -d out/plugins $(find plugins -name '*.java')
cp -r plugins/META-INF out/plugins/
javac -cp out/api -d out/app $(find app -name '*.java')
for name in api plugins app; do
    jar -cf lib/$name.jar -C out/$name .
done
