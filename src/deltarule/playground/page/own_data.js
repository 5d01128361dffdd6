// @ts-check
// The points of a page that trains by itself: noise, scale, and test rows as scikit-learn's train_test_split draws them.

/**
 * @typedef {{x: Float64Array, answers: number[]}} Rows
 * @typedef {{train: Rows, test: Rows | null}} Parts
 */

/** @param {string} base64 */
export function decodeNumbers(base64) {
  return new Float64Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

/**
 * Training and test rows of a data set with some noise: the rows that Python sets aside.
 * @param {import("./own_source.js").OwnData} data @param {number | null} noise @param {{test: number, seed: number, stratify: boolean, draw: string}} split
 * @returns {Parts}
 */
export function splitRows({ name, features, classes, x: clean, noise: unit, answers: exact }, noise, { test: share, seed, stratify: isStratified, draw }) {
  const moved = (/** @type {ArrayLike<number>} */ numbers) => Array.from(numbers, (number, place) => number + (noise ?? 0) * (unit[place] ?? 0));
  const [x, answers] = unit.length === exact.length ? [[...clean], moved(exact)] : [moved(clean), exact];
  const rows = answers.length;
  const exactCount = share * rows;
  const rounded = exactCount % 1 === 0.5 ? 2 * Math.round(exactCount / 2) : Math.round(exactCount); // halves to the even number, as Python
  const count = share >= 1 || !share ? share : Math.max(rounded, 1);
  if (count >= rows) throw new Error(`${count} rows set aside leave none of ${rows} to train on; set fewer aside`);
  const labels = isStratified && classes.length ? answers : [];
  const sizes = [...new Set(labels)].map((label) => labels.filter((one) => one === label).length);
  if (count && draw === "random" && sizes.length && (Math.min(...sizes) < 2 || Math.min(count, rows - count) < sizes.length)) {
    const smallest = Math.min(...sizes);
    throw new Error(`${name} cannot set ${count} of ${rows} rows aside for test with every class in each part: it has ${sizes.length} classes, the smallest with ${smallest} row${smallest === 1 ? "" : "s"}; change the number of rows or turn stratify off`);
  }
  const drawn = !count ? new Set() : draw === "last" ? new Set(Array.from({ length: count }, (_, index) => rows - count + index)) : drawnRows(labels, rows, count, seed);
  const part = (/** @type {boolean} */ wanted) => ({
    x: Float64Array.from(x.filter((_, place) => drawn.has(Math.floor(place / features.length)) === wanted)),
    answers: answers.filter((_, row) => drawn.has(row) === wanted),
  });
  return { train: part(false), test: count ? part(true) : null };
}

/** Scale all rows by the training rows. @param {Parts} parts @param {number} inputs @param {string} how @returns {Parts} */
export function standardized({ train, test }, inputs, how) {
  const largest = train.x.reduce((most, one) => Math.max(most, Math.abs(one)), 0) || 1;
  const scales = Array.from({ length: inputs }, (_, input) => {
    if (how === "none" || how === "unit") return [0, how === "unit" ? 1 / largest : 1];
    const column = train.x.filter((_, place) => place % inputs === input);
    const mean = column.reduce((sum, one) => sum + one, 0) / column.length;
    const deviation = Math.sqrt(column.reduce((sum, one) => sum + (one - mean) ** 2, 0) / column.length);
    return [mean, how === "center" ? 1 : deviation && 1 / deviation];
  });
  const scaled = (/** @type {Rows} */ { x, answers }) => ({ answers, x: x.map((number, place) => (number - scales[place % inputs][0]) * scales[place % inputs][1]) });
  return { train: scaled(train), test: test && scaled(test) };
}

/**
 * The rows that are set aside, in their order.
 * @param {number[]} labels of all rows; without classes, an empty list @param {number} rows @param {number} count of rows to set aside @param {number} seed
 * @returns {Set<number>}
 */
export function drawnRows(labels, rows, count, seed) {
  const random = new MersenneTwister(seed);
  if (!labels.length) return new Set(random.permuted(range(rows)).slice(0, count));
  const ofClass = [...new Set(labels)].sort((a, b) => a - b).map((label) => range(rows).filter((row) => labels[row] === label));
  const sizes = ofClass.map((members) => members.length);
  const train = likelyCounts(sizes, rows - count, random);
  const test = likelyCounts(sizes.map((size, index) => size - train[index]), count, random);
  return new Set(ofClass.flatMap((members, index) => random.permuted(range(members.length)).slice(train[index], train[index] + test[index]).map((place) => members[place])));
}

/** How many of each class are drawn: its share, and chance where shares are no whole numbers. @param {number[]} sizes @param {number} draws @param {MersenneTwister} random */
function likelyCounts(sizes, draws, random) {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const exact = sizes.map((size) => (size / total) * draws);
  const counts = exact.map(Math.floor);
  const remainders = exact.map((one, index) => one - counts[index]);
  let missing = draws - counts.reduce((sum, one) => sum + one, 0);
  for (const remainder of [...new Set(remainders)].sort((a, b) => b - a)) {
    if (!missing) break;
    const equal = range(sizes.length).filter((index) => remainders[index] === remainder);
    for (const index of random.permuted(equal).slice(0, Math.min(equal.length, missing))) {
      counts[index]++;
      missing--;
    }
  }
  return counts;
}

/** @param {number} count */
function range(count) {
  return Array.from({ length: count }, (_, index) => index);
}

/** The Mersenne Twister (Matsumoto & Nishimura 1998), seeded as NumPy's RandomState. */
class MersenneTwister {
  /** @param {number} seed */
  constructor(seed) {
    this.state = new Uint32Array(624);
    this.state[0] = seed;
    for (let place = 1; place < 624; place++) {
      const last = this.state[place - 1];
      this.state[place] = Math.imul(1812433253, last ^ (last >>> 30)) + place;
    }
    this.place = 624;
  }

  word() {
    if (this.place === 624) {
      for (let place = 0; place < 624; place++) {
        const y = (this.state[place] & 0x80000000) | (this.state[(place + 1) % 624] & 0x7fffffff);
        this.state[place] = this.state[(place + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.place = 0;
    }
    let word = this.state[this.place++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  /** A whole number from 0 to `largest`. @param {number} largest */
  upTo(largest) {
    const mask = largest ? 2 ** (32 - Math.clz32(largest)) - 1 : 0;
    for (;;) {
      const value = (this.word() & mask) >>> 0;
      if (value <= largest) return value;
    }
  }

  /** @template T @param {T[]} items @returns {T[]} the items in a random order */
  permuted(items) {
    const order = [...items];
    for (let last = order.length - 1; last > 0; last--) {
      const other = this.upTo(last);
      [order[last], order[other]] = [order[other], order[last]];
    }
    return order;
  }
}
