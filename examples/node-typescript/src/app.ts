import { Hono } from 'hono';
import { z } from 'zod';
import { price, type Tariff } from './tariff';

const parcel = z.object({
  kilograms: z.number().positive().max(40),
  to: z.string().length(2),
  express: z.boolean().default(false),
});

export function app(tariff: Tariff): Hono {
  const hono = new Hono();
  hono.get('/', (c) => c.text(`${tariff.name}: ${Object.keys(tariff.zones).length} zones\n`));
  hono.get('/health', (c) => c.json({ status: 'ok' }));
  hono.get('/zones', (c) => c.json(tariff.zones));
  hono.post('/price', async (c) => {
    let given: unknown;
    try {
      given = await c.req.json();
    } catch {
      return c.json({ error: 'this is no JSON' }, 400);
    }
    const parsed = parcel.safeParse(given);
    if (!parsed.success) {
      return c.json({ error: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) }, 422);
    }
    const cents = price(tariff, parsed.data);
    if (cents === undefined) {
      return c.json({ error: `nothing is sent to ${parsed.data.to}` }, 404);
    }
    const language = c.req.query('lang') ?? 'en';
    const written = new Intl.NumberFormat(language, { style: 'currency', currency: tariff.currency }).format(cents / 100);
    return c.json({ cents, written });
  });
  hono.notFound((c) => c.json({ error: 'not found' }, 404));
  return hono;
}
