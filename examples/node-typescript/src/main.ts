import { serve } from '@hono/node-server';
import { app } from './app';
import { loadTariff } from './tariff';

const port = Number(process.env.PORT ?? 8080);
const tariff = loadTariff(process.env.TARIFF ?? 'tariffs/standard.json');

const server = serve({ fetch: app(tariff).fetch, port }, (info) => {
  console.log(`parcel prices (${tariff.name}) on port ${info.port}`);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
  });
}
