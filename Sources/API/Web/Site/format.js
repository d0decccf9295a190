// Values as people read them.

const wholeNumber = new Intl.NumberFormat("en");

export const number = (value) => wholeNumber.format(value);

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  for (const [unit, size] of [["KiB", 1024], ["MiB", 1024 ** 2], ["GiB", 1024 ** 3]]) {
    if (count < size * 1024 || unit === "GiB") {
      const value = count / size;
      return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
    }
  }
}

export function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = Math.floor(seconds % 60);
  if (minutes < 60) return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export const seconds = (value) => (value < 60 ? `${value} s` : duration(value * 1000));

const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const timeOnly = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

export const when = (text) => dayAndTime.format(new Date(text));
export const clock = (text) => timeOnly.format(new Date(text));

/** How long ago, or how long until. */
export function relative(text, now = Date.now()) {
  const gap = new Date(text).getTime() - now;
  const size = Math.abs(gap);
  if (size < 5000) return gap > 0 ? "in a moment" : "just now";
  const steps = [["s", 1000, 60_000], ["min", 60_000, 3_600_000], ["h", 3_600_000, 86_400_000], ["d", 86_400_000, Infinity]];
  const [unit, length] = steps.find(([, , end]) => size < end);
  const amount = `${Math.floor(size / length)} ${unit}`;
  return gap > 0 ? `in ${amount}` : `${amount} ago`;
}

export const cents = (value) => `$${(value / 100).toFixed(2)}`;

export const price = (agent) =>
  Number(agent.price) === 0 ? "free" : agent.priceToken === "USD" ? `$${agent.price}` : `${agent.price} ${agent.priceToken}`;

export const words = (code) => code.replaceAll("_", " ");

/** The end of an id, by which people tell two apart. */
export const shortID = (id) => (id.length > 16 ? `${id.slice(0, 4)}…${id.slice(-8)}` : id);

export const json = (value) => JSON.stringify(value, null, 2);
