// @ts-check
// Test rows as scikit-learn's train_test_split draws them, from NumPy's older generator: the rows that Python sets aside.

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
