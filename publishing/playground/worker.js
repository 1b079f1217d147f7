// The worker: trains networks and scores places off the main thread, one task at a time. Follows engine.js.
//
// A task says what is known and what is wanted; the answer is plain numbers. Stages remember their last results, as the
// explorers' do: another strategy does not train again, and another number of samples draws only those that are missing.

const PLANE = { x: [-1.9, 2.9], y: [-2.0, 2.5] }, COLUMNS = 40, ROWS = 38, PLACES = COLUMNS * ROWS;
const BEFORE_TEST = PLACES + NUM_POOL;

// The middles of the map's cells, row by row from the bottom.
function mapPlaces() {
  const middle = ([low, high], i, count) => low + ((high - low) * (i + 0.5)) / count;
  const places = Array.from({ length: PLACES }, (_, i) => [middle(PLANE.x, i % COLUMNS, COLUMNS), middle(PLANE.y, Math.floor(i / COLUMNS), ROWS)]);
  return Float32Array.from(places.flat());
}

// A function that keeps its last results by the text of its argument; the oldest goes first.
function stage(compute, size) {
  const kept = new Map();
  return (argument) => {
    const key = JSON.stringify(argument);
    const found = kept.has(key) ? kept.get(key) : compute(argument);
    kept.delete(key);
    kept.set(key, found);
    if (kept.size > size) kept.delete(kept.keys().next().value);
    return found;
  };
}

// The data with the points where the hand has put them; `moves` are [point, x, y].
const dataOf = stage(({ data, noise, seed, moves }) => {
  const found = dataSet(data, noise, seed);
  for (const [point, x, y] of moves) found.pool_P_2.set([x, y], 2 * point);
  return found;
}, 4);

// All that networks depend on.
const settingOf = ({ data, noise, seed, moves, labelled, posterior, dropout }) =>
  ({ data, noise, seed, moves, labelled, posterior, dropout: posterior === "dropout" ? dropout : 0 });

const examplesOf = ({ labelled, ...rest }) => {
  const { pool_P_2, labels_P } = dataOf(rest);
  return [Float32Array.from(labelled.flatMap((i) => [...pool_P_2.subarray(2 * i, 2 * i + 2)])), Uint8Array.from(labelled, (i) => labels_P[i])];
};

// The members of an ensemble differ in their first weights; MC-dropout needs member 0 only. Trained when first asked for.
function* trainedNetworks(setting) {
  const { seed, dropout } = setting, [inputs_L_2, labels_L] = examplesOf(setting);
  for (let member = 0; ; member++) {
    const network = newNetwork(stream("weights", seed, member));
    train(network, inputs_L_2, labels_L, dropout, stream("dropout", seed, member));
    yield network;
  }
}

// Samples of the posterior, each a function from inputs to log-probabilities, and the network whose features count.
const fitted = stage((setting) => {
  const networks = trainedNetworks(setting), network = networks.next().value, masks = dropoutMasks(setting.dropout), known = [];
  const sample = (k) => {
    while (known.length <= k) known.push(setting.posterior === "ensemble"
      ? { network: known.length ? networks.next().value : network, mask: NO_MASK } : { network, mask: masks.next().value });
    return known[k];
  };
  return { network, sample };
}, 40);

// log p(y | x, w_k) of many inputs for k = 0, 1, …, kept as they are drawn. The samples of one network share its first layer.
function samplesAt(inputs_N_2, { network, sample }) {
  const hidden = new Map(), drawn = [];
  const hiddenOf = (one) => hidden.get(one) ?? hidden.set(one, firstLayers(one, inputs_N_2)).get(one);
  const first = (count) => {
    for (let k = drawn.length; k < count; k++) drawn.push(logProbsOf(sample(k).network, hiddenOf(sample(k).network), sample(k).mask));
    return drawn.slice(0, count);
  };
  return { first, features: () => featuresOf(network, hiddenOf(network)) };
}

const GRID_G_2 = mapPlaces();
const samplesOfAll = stage((setting) => {
  const { pool_P_2, test_E_2 } = dataOf(setting);
  return samplesAt(Float32Array.from([...GRID_G_2, ...pool_P_2, ...test_E_2]), fitted(setting));
}, 12);

// What a set of labels is worth: the share of new points that come out right.
function worthOf(task) {
  const setting = settingOf(task), { test_E_2, testLabels_E } = dataOf(setting);
  const { prob_N } = termsOf(samplesAt(test_E_2, fitted(setting)).first(task.samples));
  return { accuracy: accuracyOf(prob_N, testLabels_E) };
}

const part = (values_N, from, to) => Float32Array.from(values_N.subarray(from, to));

// Everything that a picture of one lane shows: the terms on the map and at the points, the score, the next batch.
function pictureOf(task) {
  const begun = performance.now(), setting = settingOf(task), samples = samplesOfAll(setting), logProbs_K = samples.first(task.samples);
  const trained = performance.now(), terms = termsOf(logProbs_K), cut = (from, to) => Object.fromEntries(Object.entries(terms).map(([name, values]) => [name, part(values, from, to)]));
  const map = cut(0, PLACES), pool = cut(PLACES, BEFORE_TEST);
  const accuracy = accuracyOf(terms.prob_N.subarray(BEFORE_TEST), dataOf(setting).testLabels_E);
  const scored = scoresOf(task, terms, logProbs_K, samples);
  return { map, pool, accuracy, ...scored, milliseconds: { samples: trained - begun, all: performance.now() - begun } };
}

// The score of the map's places, and the next batch as numbers of points. Random has no score.
function scoresOf({ strategy, batch, labelled, seed }, terms, logProbs_K, samples) {
  const random = stream("choices", seed, labelled.length), known = new Set(labelled);
  const left = Array.from({ length: NUM_POOL }, (_, i) => i).filter((i) => !known.has(i)), count = Math.min(batch, left.length);
  const places = (values_N) => [part(values_N, 0, PLACES), Float64Array.from(left, (i) => values_N[PLACES + i])];
  const named = ({ indices, scores }) => ({ asked: indices.map((n) => left[n]), scores });
  const ranked = (values_N) => { const [scores_G, scores_P] = places(values_N); return { scores_G, ...named(highest(scores_P, count, random)) }; };
  const pairs = (from, to) => logProbs_K.map((logProbs_N_2) => logProbs_N_2.subarray(2 * from, 2 * to));
  const pool_K = () => logProbs_K.map((all) => Float32Array.from(left.flatMap((i) => [...all.subarray(2 * (PLACES + i), 2 * (PLACES + i) + 2)])));
  const flat = { scores_G: null, asked: [], scores: [] };
  if (!left.length) return flat;
  switch (strategy) {
    case "you": return flat;
    case "random": return { ...flat, ...named(highest(Float64Array.from(left, random), count, random)) };
    case "margin": return ranked(marginScores(terms));
    case "entropy": return ranked(terms.total_N);
    case "bald": return ranked(terms.taught_N);
    case "epig": return ranked(epigScores(pairs(0, BEFORE_TEST), pool_K()));
    case "batchbald": return { scores_G: part(terms.taught_N, 0, PLACES), ...named(batchBald(pool_K(), count)) };
    case "core_set": {
      const features = samples.features(), at = (i) => features.subarray((PLACES + i) * HIDDEN, (PLACES + i + 1) * HIDDEN);
      const gathered = (points) => Float32Array.from(points.flatMap((i) => [...at(i)])), labelled_L_F = gathered(labelled);
      const scores_G = Float32Array.from(nearestDistances(features.subarray(0, PLACES * HIDDEN), labelled_L_F));
      return { scores_G, ...named(kCenter(gathered(left), labelled_L_F, count)) };
    }
    default: throw new Error(`strategy: expected one that the playground knows, got ${strategy}`);
  }
}

function serve() {
  self.onmessage = ({ data: { task, wanted } }) => self.postMessage(wanted === "worth" ? worthOf(task) : pictureOf(task));
}
