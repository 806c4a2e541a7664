import { defineConfig } from 'vite';

export default defineConfig({
  build: { sourcemap: true, assetsInlineLimit: 0 },
  define: { __RELEASE__: JSON.stringify(process.env.npm_package_version) },
});
