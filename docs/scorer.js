// How the site's search orders pages: guides and lessons that answer come before lists, contributors' pages and the reference's entries.
const PREFERRED = /^((how-to|learn|derivations)\/|reference\/why-not-learning)/;
const LAST = /^(changelog|architecture|vocabulary|index|.*\/index|reference\/recipes|reference\/formulas|how-to\/classics\/.*)$/;

var Scorer = {
  score: ([page, , anchor, , score]) => score + (LAST.test(page) ? -12 : PREFERRED.test(page) ? 6 : 0) + (page.endsWith("why-not-learning") ? 2 : 0) - (anchor ? 2 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 5, 1: 0, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
