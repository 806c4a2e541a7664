import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

const schema = z.object({
  name: z.string(),
  currency: z.string().length(3),
  express: z.number(),
  zones: z.record(z.object({ countries: z.array(z.string()), base: z.number(), perKilogram: z.number() })),
});

export type Tariff = z.infer<typeof schema>;

/** Reads a tariff; relative names are looked for beside the program. */
export function loadTariff(file: string): Tariff {
  const full = path.resolve(__dirname, '..', file);
  return schema.parse(JSON.parse(readFileSync(full, 'utf8')));
}

/** What a parcel costs, in cents, or nothing if its country is in no zone. */
export function price(tariff: Tariff, parcel: { kilograms: number; to: string; express: boolean }): number | undefined {
  for (const zone of Object.values(tariff.zones)) {
    if (zone.countries.includes(parcel.to.toUpperCase())) {
      const cents = zone.base + zone.perKilogram * Math.ceil(parcel.kilograms);
      return Math.round(parcel.express ? cents * tariff.express : cents);
    }
  }
  return undefined;
}
