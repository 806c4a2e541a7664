/** The height of the water, in metres, as a sum of waves. */
export function height({ mean, waves }, milliseconds) {
  const hours = milliseconds / 3_600_000;
  return waves.reduce((sum, { amplitude, period, phase }) => sum + amplitude * Math.cos((2 * Math.PI * hours) / period + phase), mean);
}
