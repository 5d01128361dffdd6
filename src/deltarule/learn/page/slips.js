// Slips by construction: a slip is one edit of a blank's formula. Each kind has a cost, 1 for what learners do most, and a sentence.

import { evaluate, namesIn } from "./expressions.js";
import { ONE, call, called, differences, factorsOf, find, formulaOf, isRest, mapped, named, negative, noun, number, numbersIn, productOf, put, renamed, start, sumOf, termsOf, text, toThe, two, written } from "./formulas.js";
import { EXAMPLE, GIVEN, LESSON, QUANTITIES, QUANTITY, computeAll } from "./lesson.js";
import { NAMES, distance, indexOf, isBinary, isIn, laterThan, letterOf, likes, inputsOf, wayOf } from "./neighbors.js";

/** @typedef {import("./expressions.js").Tree} Tree */
/** @typedef {{kind: string, tree: Tree, sentence: string, cost: number}} Slip */

/** Of edits that give one number, the one that says most comes first: in this order, at equal cost. */
const RANKS = ["listed", "sign", "percent", "exchanged", "function", "squared", "slope", "out", "point", "term sign", "too new", "mean", "half", "brackets", "max", "sums", "part", "another", "twice", "times", "letter", "node"];
/** Which edits people also make in a formula before, whose result is in this one. */
const INNER = /out|alone|squared|root|sign|twice|slope|max/;
/** @param {string} kind @param {number} cost @param {Tree} tree @param {string} sentence @returns {Slip} */
const say = (kind, cost, tree, sentence) => ({ kind, cost, tree, sentence });
/** Edits of a part, in the whole. @param {Iterable<Slip>} slips @param {(part: Tree) => Tree} lift @returns {Generator<Slip>} */
function* within(slips, lift) {
  for (const slip of slips) yield { ...slip, tree: lift(slip.tree) };
}

/** What people take a function for: the other tree, what to say, and its cost if it is not 1. @param {Tree} tree @returns {[Tree, string, number?][]} */
function insteadOf({ name, of }) {
  const u = text(of);
  switch (name) {
    case "sigmoid": return [[of, `That is ${u} itself; the sigmoid is still to come.`], [call(name, negative(of)), `The sign in the exponent is turned: e to the power −${u}.`], [call("tanh", of), "That is tanh; this unit is a sigmoid."],
      [call("exp", negative(of)), `That is e^(−${u}) alone; 1/(1 + …) is still to come.`], [two("+", ONE, call("exp", negative(of))), `Brackets: 1 is divided by all of 1 + e^(−${u}).`], [call("exp", of), "1 + is missing below the line."],
      [two("/", ONE, two("-", ONE, call("exp", negative(of)))), `Below the line it is 1 plus e^(−${u}).`], [call("step", of), "Rounded to 0 or 1; the sigmoid itself is wanted."], [two("max", of, number(0)), "That is a ReLU; this unit is a sigmoid.", 2],
      [call("slope", of), "That is the slope of the sigmoid, not its value."]];
    case "exp": return [[of, `That is ${u} itself: e to the power ${u} is wanted.`], [call("exp", negative(of)), "The sign in the exponent is turned."], [call("sigmoid", of), `That is a sigmoid; e to the power ${u} is wanted.`],
      [two("*", number(Math.E), of), `That is e times ${u}; e to the power ${u} is wanted.`], [two("^", number(10), of), "That is 10 to the power; the base is e."], [two("^", number(2), of), "That is 2 to the power; the base is e."],
      [two("^", number(2.7), of), "e is 2.718: rounded too early.", 2], [toThe(of, 2), `That is ${u} squared; e to the power ${u} is wanted.`, 2]];
    case "log": return [[of, `The log of ${u} is still to come.`], [call("log10", of), "That is log to base 10; it takes the natural log."], [two("/", call("log", of), call("log", number(2))), "That is log to base 2; it takes the natural log."],
      .../** @type {[Tree, string][]} */ (of.op === "name" ? [[call("log", two("-", ONE, of)), `The log of ${u} is wanted, not of 1 − ${u}.`]] : [])];
    case "sqrt": return [[of, `The root is missing: √${text(of, 4)}.`], [toThe(of, 2), "Squared; the root is wanted.", 2]];
    case "abs": return [[of, "The size is wanted, without the sign."]];
    case "step": return [[number(0), "Everything passes here."], [of, "Not times the difference: the slope is 1 or 0.", 2], [number(0.5), "Not shared: all or nothing.", 2]];
    default: return [];
  }
}

/** What may be a factor too many in a term of a formula: a name of the formula, or a factor that is in a name of the term already.
 * @param {Tree} tree @param {Tree} term @returns {{tree: Tree, sentence: string}[]} */
function extras(tree, term) {
  const again = [...namesIn(tree)].filter((name) => !isBinary(name)).map((name) => ({ tree: named(name), sentence: `${start(called(named(name)))} is in there once too often.` }));
  const inside = [...namesIn(term)].flatMap((name) => termsOf(formulaOf(name)).flatMap(({ tree: part }) => factorsOf(part)).filter(({ tree: { op, value, name: own } }) => (op === "name" && !isBinary(own)) || (op === "number" && value !== 1))
    .map(({ tree: factor, by }) => ({ tree: by > 0 ? factor : two("/", ONE, factor), sentence: `${start(called(factor))} is in ${written(name)} already.` })));
  return [...again, ...inside];
}

/** @param {string} name @param {string} other what stands in its place */
const inPlace = (name, other) => (wayOf(other) && letterOf(other) === letterOf(name) ? `${wayOf(other)}; here it is ${name}.` : `${written(other)} used for ${written(name)}${noun(name) && `, ${noun(name).replace(/,$/, "")}`}.`);

/** What is missing if one of two parts of a name’s formula stands in the name’s place: σ′ for z in place of a. @param {string} name @param {string} other */
function missingIn(name, other) {
  const formula = formulaOf(name);
  const parts = termsOf(formula).length > 1 ? termsOf(formula) : factorsOf(formula);
  const [rest, ...more] = parts.filter(({ tree, by }) => tree.name !== other || by < 0);
  return parts.length === 2 && rest && !more.length ? `In ${written(name)}: ${called(rest.tree)} is missing.` : "";
}

/** @param {Tree} tree a sum @param {string} blank @param {number} depth @returns {Generator<Slip>} */
function* editsOfSum(tree, blank, depth) {
  const terms = termsOf(tree);
  const isLong = terms.length > 2;
  for (const [i, { tree: term, by }] of terms.entries()) {
    const name = called(term);
    /** @param {Tree} made */
    const lift = (made) => sumOf(put(terms, i, { tree: made, by }));
    if (terms.length > 1) {
      if (term.value !== 1 || by < 0 || isLong) yield say("term out", 1, sumOf(put(terms, i)), `${start(name)} is missing.`);
      if (isLong) yield say("term alone", 1, by > 0 ? term : negative(term), `Only ${name} is in there.`);
      if (depth === 0) {
        yield say("term sign", 1, sumOf(put(terms, i, { tree: term, by: -by })), `The sign is turned: that of ${name.replace(/,$/, "")}.`);
        for (const extra of extras(tree, term)) yield say("times", 2, lift(two("*", term, extra.tree)), extra.sentence);
        for (const share of [2, 0.5]) yield say("doubled", 2, lift(two("*", number(share), term)), share === 2 ? `${start(name)} is in there twice.` : `Only half of ${name} is in there.`);
        if (isLong) yield say("multiplied", 2, two("*", sumOf(put(terms, i)), term), `Multiplied by ${text(term)}; it is a term of the sum.`);
        yield* bracketsAround(terms, i);
      }
    }
    yield* within(edits(term, blank, depth), lift);
  }
  if (terms.length === 1) return;
  for (const [i, one] of terms.entries()) if (terms.length > 3) for (const other of terms.slice(i + 1)) yield say("terms out", other === terms[i + 1] && i !== 1 ? 1 : 2, sumOf(terms.filter((term) => term !== one && term !== other)), `${text(one.tree)} and ${text(other.tree)} are missing.`);
  if (terms.every(({ tree: { op } }) => op !== "number")) yield say("multiplied", 2, productOf(terms.map((term) => ({ ...term, by: 1 }))), `Multiplied; ${terms.every(({ by }) => by > 0) ? "the parts are added" : "a difference is wanted"}.`);
  if (!isLong && depth === 0) yield say("multiplied", 2, two("/", terms[0].tree, terms[1].tree), `Divided; ${terms[1].by > 0 ? "a sum" : "a difference"} is wanted.`);
  const pairs = terms.map(({ tree: term }) => factorsOf(term));
  if (pairs.some((pair) => pair.length !== 2 || pair[1].by < 0)) return;
  const sums = [0, 1].map((side) => sumOf(pairs.map((pair) => ({ tree: pair[side].tree, by: 1 }))));
  for (const share of [1, terms.length, terms.length ** 2]) yield say("sums multiplied", 2, two("/", two("*", sums[0], sums[1]), number(share)), "First multiply, pair by pair, and then add.");
}

/** x (w + b) for x w + b. @param {import("./formulas.js").Part[]} terms @param {number} i @returns {Generator<Slip>} */
function* bracketsAround(terms, i) {
  const factors = factorsOf(terms[i].tree);
  for (const [j, factor] of factors.entries()) {
    if (factors.length === 1 || factor.by < 0 || factor.tree.value === 1) continue;
    const rest = productOf(put(factors, j));
    for (const [k, other] of terms.entries()) {
      if (k === i || (terms.length > 2 && Math.abs(k - i) > 1)) continue;
      const inner = sumOf([{ tree: rest, by: terms[i].by }, other].sort((one) => (one === other ? k - i : i - k)));
      yield say("brackets", 2, sumOf([...terms.filter((_, index) => index !== i && index !== k), { tree: two("*", factor.tree, inner), by: 1 }]), `Brackets: ${text(factor.tree)} multiplies ${text(rest)} alone.`);
    }
  }
}

/** @param {Tree} tree a product @param {string} blank @param {number} depth @returns {Generator<Slip>} */
function* editsOfProduct(tree, blank, depth) {
  const factors = factorsOf(tree);
  const isFraction = factors.some(({ by }) => by < 0);
  for (const [i, { tree: factor, by }] of factors.entries()) {
    if (factor.value === 1) continue;
    const [rest, name] = [put(factors, i), called(factor)];
    /** @param {Tree} made */
    const lift = (made) => productOf(put(factors, i, { tree: made, by }));
    yield say("factor out", 1, productOf(rest), by > 0 ? `${start(name)} is missing.` : `Not divided by ${text(factor)} yet.`);
    yield say("twice", 2, productOf([...factors, factors[i]]), by > 0 ? `${start(name)} is in there twice.` : `Divided by ${text(factor)} twice.`);
    yield say("inverted", 2, productOf(put(factors, i, { tree: factor, by: -by })), by > 0 ? `Divided by ${text(factor)} instead of multiplied.` : `Multiplied by ${text(factor)} instead of divided.`);
    if (factors.length > 2) yield say("added", 2, two("+", productOf(rest), factor), by > 0 ? "Added instead of multiplied." : "Added instead of divided.");
    const terms = termsOf(by > 0 && factor.op === "name" && depth === 0 ? formulaOf(factor.name) : factor);
    if (terms.length > 1) for (const [j, term] of terms.entries()) yield say("brackets", 2, sumOf(put(terms, j, { tree: lift(term.tree), by: term.by })), `Brackets: all of ${text(factor)} ${isFraction ? (by > 0 ? "is divided" : "stands below the line") : "is multiplied"}.`);
    yield* within(edits(factor, blank, depth), lift);
    if (factors[i + 1] && isRest(factors[i + 1].tree, factor)) yield* editsOfSlope(factors, i, blank);
  }
  for (const extra of extras(tree, tree)) yield say("times", extra.sentence.endsWith("already.") ? 1 : 2, two("*", tree, extra.tree), extra.sentence);
  if (!isRest(factors[1].tree, factors[0].tree) && (factors.length === 2 || factors.every(({ tree: { op } }) => op === "name"))) yield say("added", 1, sumOf(factors.map((factor) => ({ ...factor, by: 1 }))), isFraction ? "Added instead of divided." : "Added instead of multiplied.");
  if (factors.length === 2 && depth === 0) yield say("added", 2, two("-", factors[0].tree, factors[1].tree), isFraction ? "Taken away instead of divided." : "Taken away instead of multiplied.");
  if (isFraction) yield say("upside down", 1, productOf(factors.map(({ tree: factor, by }) => ({ tree: factor, by: -by }))), `Upside down: it is ${text(tree)}.`);
}

/** The slope a(1 − a) among the factors. @param {import("./formulas.js").Part[]} factors @param {number} i @param {string} blank @returns {Generator<Slip>} */
function* editsOfSlope(factors, i, blank) {
  const [u, slope] = [factors[i].tree, productOf(factors.slice(i, i + 2))];
  const [a, whole] = [text(u), text(slope)];
  /** @param {Tree[]} made */
  const lift = (...made) => productOf([...factors.slice(0, i), ...made.map((tree) => ({ tree, by: 1 })), ...factors.slice(i + 2)]);
  if (factors.length > 2) yield say("factor out", 1, lift(), `The slope ${whole} is missing.`);
  yield say("slope alone", 1, slope, `That is ${whole} alone.`);
  yield say("twice", 2, lift(slope, slope), `The slope ${whole} is in there twice.`);
  yield say("slope", 1, lift(two("-", ONE, toThe(u, 2))), `1 − ${a}² is the slope of tanh; a sigmoid has ${whole}.`);
  yield say("slope", 1, lift(toThe(u, 2)), `Not the square of ${a}: the slope is ${whole}.`);
  yield say("slope", 1, lift(call("slope", u)), `σ′ at ${a}: it is taken at the sum, where it is ${whole}.`);
  for (const other of NAMES) if (u.name && other !== u.name && !laterThan(blank).has(other) && distance(u.name, other) < 3) yield say("slope", distance(u.name, other), lift(named(other), two("-", ONE, named(other))), `${written(other)} used for ${a}: the slope is ${whole}.`);
}

/** @param {string} name @param {string} blank @param {number} depth @returns {Generator<Slip>} */
function* editsOfName(name, blank, depth) {
  for (const other of NAMES) {
    if (other === name || laterThan(blank).has(other)) continue;
    yield say(missingIn(name, other) ? "part" : "another", distance(name, other), named(other), missingIn(name, other) || inPlace(name, other));
    if (/^(new|w[ma]$)/.test(other) && /^w/.test(name) && inputsOf(other).includes(name)) yield say("too new", 1, named(other), `Too new: it takes ${written(name)} from before the step.`);
    if (depth > 0 || !likes(name).has(other)) continue;
    for (const share of [1, 2]) yield say("both", 2, two("/", two("+", named(name), named(other)), number(share)), `Only ${written(name)} belongs here, not ${written(other)}.`);
  }
  if (!QUANTITY[name] || depth === 2) return;
  if (depth === 0) {
    for (const share of [2, 0.5]) yield say("doubled", 2, two("*", number(share), named(name)), share === 2 ? `${start(called(named(name)))} is in there twice.` : `Only half of ${written(name)} is in there.`);
    const terms = termsOf(formulaOf(name));
    for (const again of terms) if (terms.length > 1) yield say("twice", 2, sumOf([{ tree: named(name), by: 1 }, again]), `${start(called(again.tree))} is in ${written(name)} already.`);
    if (/sigmoid|max/.test(formulaOf(name).name ?? formulaOf(name).op)) yield say("slope", 2, two("*", named(name), two("-", ONE, named(name))), `Not the slope ${written(name)}(1 − ${written(name)}): ${written(name)} itself.`);
  }
  for (const slip of edits(formulaOf(name), blank, depth + 1)) if (INNER.test(slip.kind)) yield { ...slip, kind: `inner ${slip.kind}`, cost: slip.cost + 1, sentence: `In ${written(name)}: ${slip.sentence.replace(/^(The|What|Only|Divided|Not|Still|That|All) /, (word) => word.toLowerCase())}` };
}

/** @param {Tree} tree a power @param {string} blank @param {number} depth @returns {Generator<Slip>} */
function* editsOfPower(tree, blank, depth) {
  const { left: of, right: power } = tree;
  if (power.value === 2) {
    yield say("squared", 1, of, `${start(text(of, 4))} is still to be squared.`);
    yield say("squared", 1, two("*", number(2), of), "Doubled instead of squared.");
    yield say("squared", 1, call("abs", of), `The size of ${text(of, 4)} alone: it is still to be squared.`);
    yield say("squared", 2, toThe(of, 3), "One factor too many: the square is wanted.");
    const squares = termsOf(of.op === "name" ? formulaOf(of.name) : of).map(({ tree: term, by }) => ({ tree: toThe(term, 2), by }));
    for (const terms of [squares, squares.map((term) => ({ ...term, by: 1 }))]) if (squares.length > 1) yield say("squared", 2, sumOf(terms), "First the difference, then the square.");
  } else {
    yield say("power", 1, two("*", of, power), `${start(text(of))} to the power ${text(power)}, not times ${text(power)}.`);
    for (const [op, words] of [["+", "many"], ["-", "few"]]) yield say("power", 2, two("^", of, two(op, power, ONE)), `One factor too ${words}.`);
    yield* within(edits(power, blank, depth), (part) => two("^", of, part));
  }
  yield* within(edits(of, blank, depth), (part) => two("^", part, power));
}

/** All edits of a part of a formula. @param {Tree} tree @param {string} blank @param {number} depth of formulas within formulas @returns {Generator<Slip>} */
function* edits(tree, blank, depth) {
  if (termsOf(tree).length > 1 || tree.op === "neg") yield* editsOfSum(tree, blank, depth);
  else if (factorsOf(tree).length > 1) yield* editsOfProduct(tree, blank, depth);
  else if (tree.op === "name") yield* editsOfName(tree.name, blank, depth);
  else if (tree.op === "^") yield* editsOfPower(tree, blank, depth);
  else if (tree.op === "number" && tree.value > 0 && tree.value < 1) yield say("constant", 2, number(1 - tree.value), `${Number((1 - tree.value).toFixed(4))} used for ${tree.text}.`);
  else if (tree.op === "call") {
    for (const [part, sentence, cost = 1] of insteadOf(tree)) yield say("function", cost, part, sentence);
    if (tree.name !== "step") yield* within(edits(tree.of, blank, depth), (part) => call(tree.name, part));
  } else if (tree.op === "max") {
    const { left, right } = tree;
    yield say("max", 1, negative(two("max", negative(left), negative(right))), "That is the smaller one.");
    for (const [op, cost, words] of /** @type {[string, number, string][]} */ ([["+", 1, "added"], ["*", 2, "multiplied"], ["-", 2, "taken away from each other"]])) yield say("max", cost, two(op, left, right), `One of the two is taken; they are not ${words}.`);
    yield say("max", 2, two("/", two("+", left, right), number(2)), "Not the mean of the two: the larger one.");
  }
}

/** Edits that are made everywhere in a formula: a name, a letter, a function, a square, a number. @param {Tree} tree @param {string} blank @returns {Generator<Slip>} */
function* editsEverywhere(tree, blank) {
  const leaves = [...namesIn(tree)];
  const free = NAMES.filter((other) => !laterThan(blank).has(other));
  for (const leaf of leaves) for (const other of free) if (!leaves.includes(other)) yield say("another", distance(leaf, other), renamed(tree, (name) => (name === leaf ? other : name)), inPlace(leaf, other));
  const letters = new Set(leaves.map(letterOf));
  for (const letter of letters) {
    const own = leaves.filter((name) => letterOf(name) === letter && indexOf(name));
    if (own.length < 2) continue;
    yield say("letter out", 1, mapped(tree, (part) => (own.includes(part.name) ? ONE : part)), `${written(letter)} is missing everywhere.`);
    for (const other of new Set(free.map(letterOf))) {
      if (other === letter || !own.every((name) => free.includes(other + indexOf(name)) && !isBinary(other + indexOf(name)))) continue;
      yield say("letter", Math.min(...own.map((name) => distance(name, other + indexOf(name)))), renamed(tree, (name) => (own.includes(name) ? other + indexOf(name) : name)), `${written(other)} used for ${written(letter)} everywhere.`);
    }
    for (const other of free) if (!own.includes(other) && distance(own[0], other) < 3) yield say("letter", 2, renamed(tree, (name) => (own.includes(name) ? other : name)), `${written(other)} used for ${written(letter)} everywhere.`);
  }
  if (find(tree, (part) => part.op === "-" && part.left.value === 1 && isBinary(part.right.name))) yield say("exchanged", 1, mapped(tree, (part) => (part.op === "name" && isBinary(part.name) ? two("-", ONE, part) : part)), "The log of the wrong one: the two cases are exchanged.");
  yield say("added", 2, mapped(tree, (part) => (part.op === "*" ? two("+", part.left, part.right) : part)), "Added instead of multiplied.");
  const first = find(tree, (part) => part.op === "call");
  for (const [index, [, sentence, cost = 1]] of (first ? insteadOf(first) : []).entries()) yield say("function", cost, mapped(tree, (part) => (part.op === "call" && part.name === first?.name ? insteadOf(part)[index]?.[0] ?? part : part)), sentence);
  yield* editsOfSquares(tree);
  for (const one of numbersIn([tree])) for (const other of numbersIn(QUANTITIES.map(({ formula }) => formula))) if (one !== other) yield say("constant", 2, mapped(tree, (part) => (part.text === one ? number(Number(other)) : part)), `${other} used for ${one}.`);
  let inner = tree;
  for (let depth = 0; depth < 2 && termsOf(tree).length > 1; depth++) {
    inner = mapped(inner, (part) => (part.op === "name" && QUANTITY[part.name] ? formulaOf(part.name) : part));
    for (const name of namesIn(inner)) if (termsOf(inner).every(({ tree: term }) => namesIn(term).has(name))) yield say("factor out", 2, mapped(inner, (part) => (part.op === "name" && part.name === name ? ONE : part)), `${start(called(named(name)))} is missing.`);
  }
}

/** @param {Tree} tree @returns {Generator<Slip>} */
function* editsOfSquares(tree) {
  /** @param {Tree} part */
  const isSquare = (part) => part.op === "^" && part.right.value === 2;
  const square = find(tree, isSquare);
  if (!square) return;
  /** @param {(part: Tree) => Tree} change */
  const all = (change) => mapped(tree, (part) => (isSquare(part) ? change(part) : part));
  yield say("squared", 1, all((part) => part.left), "The squares are missing.");
  yield say("squared", 1, all((part) => call("abs", part.left)), "Squares are wanted, not sizes.");
  const terms = termsOf(square.left);
  if (terms.length > 1) for (const [i, { tree: term }] of terms.entries()) yield say("squared", 1, all((part) => toThe(sumOf(put(termsOf(part.left), i)), 2)), `${start(called(term))} is missing.`);
}

/** Edits of a blank's whole formula. @param {string} name @param {Tree} tree @returns {Generator<Slip>} */
function* editsOfWhole(name, tree) {
  const [leaves, terms] = [[...namesIn(tree)], termsOf(tree)];
  yield say("sign", 1, negative(tree), "The digits are right, the sign is turned.");
  for (const [by, cost] of [[10, 1], [0.1, 1], [0.01, 2]]) yield say("point", cost, two("*", number(by), tree), "Look at the decimal point.");
  if (/share|probab/.test(noun(name))) yield say("percent", 1, two("*", number(100), tree), "In percent; a number from 0 to 1 is wanted.");
  if (/share|probab|chance/.test(noun(name))) yield say("rest", 2, two("-", ONE, tree), `That is 1 − ${written(name)}.`);
  /** Whether all is divided, or multiplied, by a number. @param {number} n @param {number} power */
  const has = (n, power) => terms.every(({ tree: term }) => factorsOf(term).some(({ tree: { value }, by }) => by === power && value === n));
  const cost = has(2, 1) ? 2 : 1;
  const halved = leaves.find((leaf) => factorsOf(formulaOf(leaf)).some(({ tree: { value }, by }) => by < 0 && value === 2));
  yield say("half", cost, two("*", number(2), tree), has(2, -1) ? "Not divided by 2 yet." : cost === 2 ? "The 2 is in there twice." : "Twice as much as it should be.");
  yield say("half", cost, two("/", tree, number(2)), has(2, -1) ? "Divided by 2 twice." : halved ? `The ½ is in ${written(halved)} already.` : "Half of what it should be: there is no ½ here.");
  if (has(3, -1)) {
    for (const [by, wrong, words] of /** @type {[number, number, string][]} */ ([[3, 1, "Not divided by 3 yet."], [1.5, 1, "Divided by 2: the batch has three samples."], [0.75, 2, "Divided by 4: the batch has three samples."], [1 / 3, 2, "Divided by 3 twice."]])) yield say("mean", wrong, two("*", number(by), tree), words);
  } else for (const n of [2, 3]) if (terms.length === n && n > 2) yield say("mean", 2, two("/", tree, number(n)), `Not divided by ${n}: that is a mean; the sum is wanted.`);
  if (/^d/.test(name)) {
    yield say("zero", 1, number(0), "0 would mean that J does not change with it.");
    yield say("one", 1, ONE, "1 is a local slope alone; what comes from behind is missing.");
  }
  const square = isIn(name, "^");
  if (square) yield say("squared", 1, toThe(tree, 2), `Squared already: that is for ${written(square.name)}.`);
  if (isIn(name, "sqrt")) yield say("root", 1, call("sqrt", tree), "That is its root already.");
  yield* editsEverywhere(tree, name);
  yield* othersFor(name, tree, leaves);
  for (const [i, one] of leaves.entries()) for (const other of leaves.slice(i + 1)) yield say("swapped", 2, renamed(tree, (leaf) => ({ [one]: other, [other]: one })[leaf] ?? leaf), `${written(one)} and ${written(other)} are exchanged.`);
  for (const like of QUANTITIES) {
    const pairs = like.family && like.family === QUANTITY[name].family && like.name !== name ? [...differences(tree, like.formula)] : [];
    for (let set = 1; set < 2 ** pairs.length - 1; set++) {
      const chosen = new Map(pairs.filter((_, index) => set & (2 ** index)));
      if (chosen.size > 1) yield say("hybrid", 2, renamed(tree, (leaf) => chosen.get(leaf) ?? leaf), `${[...chosen.values()].map(written).join(" and ")} belong to ${written(like.name)}.`);
    }
  }
}

/** Another number in place of the blank's, or as a factor too many. @param {string} name @param {Tree} tree @param {string[]} leaves @returns {Generator<Slip>} */
function* othersFor(name, tree, leaves) {
  const base = /^d[a-z]/.test(name) ? name.slice(1) : /^d\d/.test(name) ? `z${name.slice(1)}` : "";
  for (const other of NAMES) {
    if (other === name) continue;
    const near = leaves.includes(other) || inputsOf(other).includes(name) ? 1 : Math.min(...[name, ...leaves].map((leaf) => (distance(leaf, other) < 3 ? 2 : 3)));
    yield say("node", near, named(other), leaves.includes(other) ? `That is ${called(named(other)).replace(/,$/, "")} alone.` : `That is ${written(other)}${noun(other) && `, ${noun(other).replace(/,$/, "")}`}.`);
    const inside = leaves.find((leaf) => factorsOf(formulaOf(leaf)).some(({ tree: part }) => part.name === other));
    const isBeside = other === base || (base && QUANTITIES.some(({ name: own }) => inputsOf(own).length <= 5 && inputsOf(own).includes(base) && inputsOf(own).includes(other)));
    yield say("times", inside ? 1 : other === "rate" || isBeside || leaves.includes(other) ? 2 : 3, two("*", tree, named(other)), inside ? `${start(called(named(other)))} is in ${written(inside)} already.` : other === "rate" ? "No rate yet: that comes with the step." : `Not times ${written(other)}.`);
    if (other === base || (GIVEN.includes(other) && !isBinary(other) && !leaves.includes(other))) yield say("plus", other === base ? 2 : 3, two("+", tree, named(other)), `${start(called(named(other)))} is not added here.`);
    const slope = two("*", named(other), two("-", ONE, named(other)));
    const isNear = leaves.includes(other);
    if (isNear && QUANTITY[other]) yield say("slope alone", 1, slope, `That is the slope ${written(other)}(1 − ${written(other)}) alone.`);
    if (isNear || (formulaOf(other).op === "call" && leaves.some((leaf) => [leaf, ...inputsOf(leaf)].some((each) => each === other || inputsOf(each).includes(other))))) yield say("slope", 2, two("*", tree, slope), `Not times the slope ${text(slope)}.`);
    if (isNear) yield say("slope", 2, two("/", tree, slope), `Not divided by the slope ${text(slope)}.`);
    if (isNear) yield say("over", isBinary(other) || leaves.length > 3 ? 3 : 2, two("/", tree, named(other)), `Not divided by ${written(other)}.`);
  }
}

// Where given numbers have no pattern, one sees which edits are the same.
const PROBES = [0, 1].map((shift) => computeAll({ ...EXAMPLE, ...Object.fromEntries(GIVEN.map((name, index) => [name, isBinary(name) ? 0.3 + 0.1 * shift + index / 97 : EXAMPLE[name] + Math.sqrt(index + 2 + shift) / 900])) }));
/** @param {Tree} tree */
const keyOf = (tree) => PROBES.map((values) => (evaluate(tree, values) + 1e-13).toPrecision(9)).join();
/** @param {Slip} slip */
const rankOf = ({ cost, kind }) => cost + RANKS.findIndex((rank) => kind.includes(rank) || rank === "node") / 100;

/** @type {Record<string, Slip[]>} */
const slipsOfBlanks = {};
/** The slips of a blank that change its number, each once, the most likely first. @param {string} name @returns {Slip[]} */
export function slipsOf(name) {
  if (slipsOfBlanks[name]) return slipsOfBlanks[name];
  const { formula, rule, slips } = QUANTITY[name];
  const listed = (slips ?? []).map(({ tree, sentence }) => say("listed", 0, tree, sentence));
  const isVerdict = Boolean(LESSON.whole?.includes(name) && find(formula, (part) => part.name === "step"));
  const made = isVerdict ? [] : [...edits(formula, name, 0), ...editsOfWhole(name, formula)].filter(({ cost, kind }) => cost < 3 || (cost === 3 && (kind === "another" ? namesIn(formula).size <= 3 : !/^(times|node)$/.test(kind))));
  const seen = new Set([keyOf(formula)]);
  return (slipsOfBlanks[name] = [...listed, ...made.map((slip) => ({ ...slip, sentence: `${slip.sentence} ${rule}`.trim() }))].sort((one, other) => rankOf(one) - rankOf(other)).filter(({ kind, tree }) => {
    const key = keyOf(tree);
    return kind === "listed" || (!/NaN|Infinity/.test(key) && !seen.has(key)) ? seen.add(key) : false;
  }));
}
