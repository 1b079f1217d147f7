// The mathematics of the playground, in the order of the course: data, a network and its training, posterior samples, the
// three terms of doubt, scores, batches. Nothing here knows of pages or pictures.
//
// Names end in their dimensions: N inputs, K posterior samples (networks), M configurations of labels, L labelled inputs,
// H hidden units, F features. There are two classes, so that p(y = 1 | x, w) says all; log-probabilities are kept for both, as pairs.

const HIDDEN = 32;
const TRAINING = { steps: 150, learningRate: 0.02, weightDecay: 1e-4 };
const NUM_POOL = 200, NUM_TEST = 500;
const MOST_SAMPLES = 100, MEMBERS = 8;
const LOG_2 = Math.log(2);

// --- chance: a named stream of uniform numbers for each purpose -----------------------------------------------------

// sfc32, a small generator of Chris Doty-Humphrey; its four words come from the name by FNV-1a.
function stream(...names) {
  const words = [0, 1, 2, 3].map((salt) => {
    let hash = 2166136261 ^ salt;
    for (const letter of `${salt} ${names.join(" ")}`) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
    return hash;
  });
  let [a, b, c, counter] = words;
  const next = () => {
    const sum = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return (sum >>> 0) / 4294967296;
  };
  for (let i = 0; i < 12; i++) next(); // similar names part ways
  return next;
}

// N(0, 1) by Box and Muller.
const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

// The numbers 0, …, count - 1 in a random order (Fisher and Yates).
function permutation(count, random) {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// --- data: points of two classes in one plane ------------------------------------------------------------------------

const MIDDLE = [0.5, 0.25];

function moonPoint(label, noise, random) {
  const t = Math.PI * random();
  const [x, y] = label ? [1 - Math.cos(t), 0.5 - Math.sin(t)] : [Math.cos(t), Math.sin(t)];
  return [x + noise * normal(random), y + noise * normal(random)];
}

const DATA_SETS = {
  moons: { title: "two moons", point: moonPoint },
  blobs: {
    title: "two blobs",
    point: (label, noise, random) => [label ? 1.3 : -0.3, label ? 0.8 : -0.3].map((at) => at + (0.2 + noise) * normal(random)),
  },
  xor: {
    title: "XOR",
    point: (label, noise, random) => {
      const right = random() < 0.5, up = right !== Boolean(label);
      return [right, up].map((far, axis) => MIDDLE[axis] + (far ? 0.9 : -0.9) + (0.15 + noise) * normal(random));
    },
  },
  spiral: {
    title: "spiral",
    point: (label, noise, random) => {
      const t = Math.sqrt(random()), radius = 0.15 + 1.6 * t, angle = 2.6 * Math.PI * t + Math.PI * label;
      return [Math.cos(angle), Math.sin(angle)].map((way, axis) => MIDDLE[axis] + radius * way + 0.4 * noise * normal(random));
    },
  },
  wrong: { title: "moons, one label wrong", point: moonPoint },
};

// A pool to ask from and a test set to be judged by; `first` has the pool's points in the order in which they are labelled
// at the beginning: one of each class, then others at random. In the set `wrong` the third of them has the wrong label.
function dataSet(name, noise, seed) {
  const random = stream(name === "wrong" ? "moons" : name, seed), { point } = DATA_SETS[name];
  const drawn = (count) => {
    const points_N_2 = new Float32Array(2 * count), labels_N = new Uint8Array(count);
    for (let n = 0; n < count; n++) {
      labels_N[n] = n % 2;
      points_N_2.set(point(n % 2, noise, random), 2 * n);
    }
    return [points_N_2, labels_N];
  };
  const [pool_P_2, labels_P] = drawn(NUM_POOL), [test_E_2, testLabels_E] = drawn(NUM_TEST);
  const order = permutation(NUM_POOL, stream("start", seed));
  const pair = [0, 1].map((label) => order.find((i) => labels_P[i] === label));
  const first = [...pair, ...order.filter((i) => !pair.includes(i))];
  if (name === "wrong") labels_P[first[2]] = 1 - labels_P[first[2]];
  return { pool_P_2, labels_P, test_E_2, testLabels_E, first };
}

// --- a network: 2 – 32 – 32 – 2, ReLU and dropout after both hidden layers ------------------------------------------

// Weights are U(-1/√inputs, 1/√inputs), as in PyTorch; a matrix has a row for each of its inputs.
function newNetwork(random) {
  const uniform = (count, inputs) => Float32Array.from({ length: count }, () => (2 * random() - 1) / Math.sqrt(inputs));
  return {
    W1: uniform(2 * HIDDEN, 2), b1: uniform(HIDDEN, 2),
    W2: uniform(HIDDEN * HIDDEN, HIDDEN), b2: uniform(HIDDEN, HIDDEN),
    W3: uniform(2 * HIDDEN, HIDDEN), b3: uniform(2, HIDDEN),
  };
}

const WEIGHTS = ["W1", "b1", "W2", "b2", "W3", "b3"];
const zerosLike = (network) => Object.fromEntries(WEIGHTS.map((name) => [name, new Float32Array(network[name].length)]));

// Values of dropout: 0 with probability p, else 1 / (1 - p).
function drawMask(mask, p, random) {
  const kept = 1 / (1 - p);
  for (let i = 0; i < mask.length; i++) mask[i] = p > 0 && random() < p ? 0 : kept;
  return mask;
}

// h1 = relu(x W1 + b1) of one input.
function firstLayer({ W1, b1 }, x, y, h1) {
  for (let i = 0; i < HIDDEN; i++) h1[i] = Math.max(0, x * W1[i] + y * W1[HIDDEN + i] + b1[i]);
}

// log p of both classes from the difference of their logits: log p(1) = -log(1 + e^-d).
const logSigmoid = (d) => (d > 0 ? -Math.log1p(Math.exp(-d)) : d - Math.log1p(Math.exp(d)));

// The gradient of the mean cross-entropy, by the chain rule from the last layer back; masks_L_H multiply the hidden values.
// Returns the loss. What ReLU or a mask has set to zero passes nothing on, so that its row is left out.
function gradient(network, inputs_L_2, labels_L, masks1_L_H, masks2_L_H, into) {
  const { W2, b2, W3, b3 } = network, count = labels_L.length;
  for (const name of WEIGHTS) into[name].fill(0);
  const h1 = new Float64Array(HIDDEN), h2 = new Float64Array(HIDDEN), d2 = new Float64Array(HIDDEN), on = new Int32Array(HIDDEN);
  let loss = 0;
  for (let n = 0; n < count; n++) {
    const x = inputs_L_2[2 * n], y = inputs_L_2[2 * n + 1], at = n * HIDDEN, label = labels_L[n];
    firstLayer(network, x, y, h1);
    let active = 0;
    for (let i = 0; i < HIDDEN; i++) if ((h1[i] *= masks1_L_H[at + i]) > 0) on[active++] = i;
    h2.set(b2);
    for (let a = 0; a < active; a++) {
      const i = on[a], value = h1[i], row = i * HIDDEN;
      for (let j = 0; j < HIDDEN; j++) h2[j] += value * W2[row + j];
    }
    let logit0 = b3[0], logit1 = b3[1];
    for (let j = 0; j < HIDDEN; j++) {
      h2[j] = Math.max(0, h2[j]) * masks2_L_H[at + j];
      logit0 += h2[j] * W3[2 * j];
      logit1 += h2[j] * W3[2 * j + 1];
    }
    const difference = logit1 - logit0;
    loss -= logSigmoid(label ? difference : -difference);
    const error = (Math.exp(logSigmoid(difference)) - label) / count; // d loss / d logit1, and minus that for logit0
    into.b3[0] -= error; into.b3[1] += error;
    for (let j = 0; j < HIDDEN; j++) {
      d2[j] = 0;
      if (h2[j] === 0) continue;
      into.W3[2 * j] -= error * h2[j];
      into.W3[2 * j + 1] += error * h2[j];
      d2[j] = error * (W3[2 * j + 1] - W3[2 * j]) * masks2_L_H[at + j];
      into.b2[j] += d2[j];
    }
    for (let a = 0; a < active; a++) {
      const i = on[a], value = h1[i], row = i * HIDDEN;
      let d1 = 0;
      for (let j = 0; j < HIDDEN; j++) {
        d1 += W2[row + j] * d2[j];
        into.W2[row + j] += value * d2[j];
      }
      d1 *= masks1_L_H[at + i];
      into.W1[i] += d1 * x; into.W1[HIDDEN + i] += d1 * y; into.b1[i] += d1;
    }
  }
  return loss / count;
}

// One step of Adam (Kingma & Ba 2015) on all weights; weight decay is added to the gradient, as in PyTorch.
function adamStep(network, gradients, moments, step, { learningRate, weightDecay }) {
  const beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  const rate = learningRate / (1 - beta1 ** step), share = 1 - beta2 ** step;
  for (const name of WEIGHTS) {
    const w = network[name], g = gradients[name], m = moments.first[name], v = moments.second[name];
    for (let i = 0; i < w.length; i++) {
      const slope = g[i] + weightDecay * w[i];
      m[i] = beta1 * m[i] + (1 - beta1) * slope;
      v[i] = beta2 * v[i] + (1 - beta2) * slope * slope;
      w[i] -= (rate * m[i]) / (Math.sqrt(v[i] / share) + epsilon);
    }
  }
}

// Trains a network, in place, on all its inputs at every step, with dropout on.
function train(network, inputs_L_2, labels_L, dropout, random, options = TRAINING) {
  const gradients = zerosLike(network), moments = { first: zerosLike(network), second: zerosLike(network) };
  const masks = [1, 2].map(() => new Float32Array(labels_L.length * HIDDEN).fill(1));
  let loss = NaN;
  for (let step = 1; step <= options.steps; step++) {
    if (dropout > 0) for (const mask of masks) drawMask(mask, dropout, random);
    loss = gradient(network, inputs_L_2, labels_L, ...masks, gradients);
    adamStep(network, gradients, moments, step, options);
  }
  return loss;
}

// --- posterior samples ------------------------------------------------------------------------------------------------

// One sample of MC-dropout is one mask for each hidden layer, shared by all inputs: sample k is one function.
function* dropoutMasks(p) {
  const random = stream("masks");
  while (true) yield { m1: drawMask(new Float32Array(HIDDEN), p, random), m2: drawMask(new Float32Array(HIDDEN), p, random) };
}

const NO_MASK = { m1: new Float32Array(HIDDEN).fill(1), m2: new Float32Array(HIDDEN).fill(1) };

// h1 of all inputs, which the samples of one network share: the first mask comes after it.
function firstLayers(network, inputs_N_2) {
  const count = inputs_N_2.length / 2, hidden_N_H = new Float32Array(count * HIDDEN);
  for (let n = 0; n < count; n++) firstLayer(network, inputs_N_2[2 * n], inputs_N_2[2 * n + 1], hidden_N_H.subarray(n * HIDDEN));
  return hidden_N_H;
}

// log p(y | x, w_k) of all inputs, pairs logProbs_N_2. What a mask drops is not computed: the network is as much thinner.
// Four hidden units at a time keep their sums in registers; units without weights fill up the last four.
function logProbsOf({ W2, b2, W3, b3 }, hidden_N_H, { m1, m2 } = NO_MASK) {
  const from = [...m1.keys()].filter((i) => m1[i] > 0), to = [...m2.keys()].filter((j) => m2[j] > 0);
  const width = 4 * Math.ceil(to.length / 4), thin = new Float64Array(from.length * width);
  const bias = new Float64Array(width), last = new Float64Array(width);
  to.forEach((j, place) => {
    bias[place] = b2[j];
    last[place] = m2[j] * (W3[2 * j + 1] - W3[2 * j]);
    from.forEach((i, row) => { thin[row * width + place] = m1[i] * W2[i * HIDDEN + j]; });
  });
  const count = hidden_N_H.length / HIDDEN, logProbs_N_2 = new Float32Array(2 * count);
  const values = new Float64Array(HIDDEN), rows = new Int32Array(HIDDEN), units = Int32Array.from(from);
  for (let n = 0; n < count; n++) {
    let active = 0, difference = b3[1] - b3[0];
    for (let a = 0; a < units.length; a++) {
      const value = hidden_N_H[n * HIDDEN + units[a]];
      if (value > 0) { values[active] = value; rows[active++] = a * width; }
    }
    for (let j = 0; j < width; j += 4) {
      let s0 = bias[j], s1 = bias[j + 1], s2 = bias[j + 2], s3 = bias[j + 3];
      for (let a = 0; a < active; a++) {
        const value = values[a], at = rows[a] + j;
        s0 += value * thin[at]; s1 += value * thin[at + 1]; s2 += value * thin[at + 2]; s3 += value * thin[at + 3];
      }
      difference += Math.max(0, s0) * last[j] + Math.max(0, s1) * last[j + 1] + Math.max(0, s2) * last[j + 2] + Math.max(0, s3) * last[j + 3];
    }
    const log0 = logSigmoid(-difference);
    logProbs_N_2[2 * n] = log0;
    logProbs_N_2[2 * n + 1] = log0 + difference;
  }
  return logProbs_N_2;
}

// What enters the last layer, dropout off: features_N_F.
function featuresOf({ W2, b2 }, hidden_N_H) {
  const count = hidden_N_H.length / HIDDEN, features_N_F = new Float32Array(count * HIDDEN), h2 = new Float64Array(HIDDEN);
  for (let n = 0; n < count; n++) {
    h2.set(b2);
    for (let i = 0; i < HIDDEN; i++) {
      const value = hidden_N_H[n * HIDDEN + i];
      if (value > 0) for (let j = 0; j < HIDDEN; j++) h2[j] += value * W2[i * HIDDEN + j];
    }
    for (let j = 0; j < HIDDEN; j++) features_N_F[n * HIDDEN + j] = Math.max(0, h2[j]);
  }
  return features_N_F;
}

// --- the three terms of doubt, in nats --------------------------------------------------------------------------------

const plogp = (p) => (p > 0 ? p * Math.log(p) : 0);
const entropy = (p) => -plogp(p) - plogp(1 - p);

// p(1 | x) = 1/K Σ_k p(1 | x, w_k)
// total = H[p(y | x)]     noise = 1/K Σ_k H[p(y | x, w_k)]     taught = total - noise = I[y; w | x], the score BALD
function termsOf(logProbs_K) {
  const count = logProbs_K[0].length / 2, K = logProbs_K.length;
  const prob_N = new Float64Array(count), noise_N = new Float64Array(count), total_N = new Float64Array(count);
  for (const logProbs_N_2 of logProbs_K) for (let n = 0; n < count; n++) {
    const log0 = logProbs_N_2[2 * n], log1 = logProbs_N_2[2 * n + 1], p1 = Math.exp(log1);
    prob_N[n] += p1 / K;
    noise_N[n] -= ((1 - p1) * log0 + p1 * log1) / K;
  }
  for (let n = 0; n < count; n++) total_N[n] = entropy(prob_N[n]);
  const taught_N = total_N.map((total, n) => Math.max(0, total - noise_N[n]));
  return { prob_N, total_N, noise_N, taught_N };
}

// The share of inputs that the averaged prediction gets right.
function accuracyOf(prob_N, labels_N) {
  return labels_N.reduce((right, label, n) => right + (prob_N[n] > 0.5 === label > 0), 0) / labels_N.length;
}

// --- scores: higher = ask ---------------------------------------------------------------------------------------------

// p(second | x) - p(first | x)
const marginScores = ({ prob_N }) => prob_N.map((p) => -Math.abs(2 * p - 1));

const probsOf = (logProbs_K) => logProbs_K.map((logProbs_N_2) => Float64Array.from({ length: logProbs_N_2.length / 2 }, (_, n) => Math.exp(logProbs_N_2[2 * n + 1])));

// mean_t I[y; y_t | x, x_t] = H[y | x] + mean_t H[y_t | x_t] - mean_t H[y, y_t | x, x_t]
// p(y, y_t | x, x_t) = 1/K Σ_k p(y | x, w_k) p(y_t | x_t, w_k)
function epigScores(logProbs_K, targetLogProbs_K) {
  const probs_K_N = probsOf(logProbs_K), targets_K_T = probsOf(targetLogProbs_K), K = probs_K_N.length;
  const mean = (probs_K) => probs_K[0].map((_, n) => probs_K.reduce((sum, probs) => sum + probs[n], 0) / K);
  const prob_N = mean(probs_K_N), target_T = mean(targets_K_T), T = target_T.length;
  const rows_T_K = Float64Array.from({ length: T * K }, (_, i) => targets_K_T[i % K][Math.floor(i / K)]);
  const apart = target_T.reduce((sum, p) => sum + entropy(p), 0) / T, own_K = new Float64Array(K);
  return prob_N.map((p, n) => {
    for (let k = 0; k < K; k++) own_K[k] = probs_K_N[k][n] / K;
    let joint = 0;
    for (let t = 0; t < T; t++) {
      let both = 0;
      for (let k = 0, at = t * K; k < K; k++) both += own_K[k] * rows_T_K[at + k];
      const q = target_T[t];
      joint -= plogp(both) + plogp(p - both) + plogp(q - both) + plogp(1 - p - q + both);
    }
    return Math.max(0, entropy(p) + apart - joint / T);
  });
}

// The distance from each input to the nearest labelled one, in the space of features.
function nearestDistances(features_N_F, labelled_L_F) {
  const count = features_N_F.length / HIDDEN, distances_N = new Float64Array(count).fill(Infinity);
  for (let at = 0; at < labelled_L_F.length; at += HIDDEN) closer(distances_N, features_N_F, labelled_L_F.subarray(at, at + HIDDEN));
  return distances_N;
}

function closer(distances_N, features_N_F, from_F) {
  for (let n = 0; n < distances_N.length; n++) {
    let square = 0;
    for (let f = 0; f < HIDDEN; f++) square += (features_N_F[n * HIDDEN + f] - from_F[f]) ** 2;
    distances_N[n] = Math.min(distances_N[n], Math.sqrt(square));
  }
}

// --- batches ----------------------------------------------------------------------------------------------------------

// The inputs of highest score, best first; ties are broken at random.
function highest(scores_N, batch, random) {
  const order = permutation(scores_N.length, random).sort((a, b) => scores_N[b] - scores_N[a]).slice(0, batch);
  return { indices: order, scores: order.map((n) => scores_N[n]) };
}

// The core-set batch: again and again the input farthest from all that is labelled or chosen (k-center, greedily).
function kCenter(features_N_F, labelled_L_F, batch) {
  const distances_N = nearestDistances(features_N_F, labelled_L_F), found = { indices: [], scores: [] };
  while (found.indices.length < batch) {
    const farthest = distances_N.reduce((best, distance, n) => (distance > distances_N[best] ? n : best), 0);
    found.indices.push(farthest);
    found.scores.push(distances_N[farthest]);
    closer(distances_N, features_N_F, features_N_F.subarray(farthest * HIDDEN, (farthest + 1) * HIDDEN));
    for (const n of found.indices) distances_N[n] = -Infinity;
  }
  return found;
}

// BatchBALD: greedily the input whose label says most about the weights when the labels of the batch so far are known.
// A configuration is one way these labels could turn out: its probability p(ŷ), and the weights of the samples after it,
// p(w_k | ŷ). All 2^b are enumerated, so that nothing is estimated.
//
// gain(x) = Σ_ŷ p(ŷ) (H[y | x, ŷ] - Σ_k p(w_k | ŷ) H[y | x, w_k]);   the scores are joint information, the sum of gains
function batchBald(logProbs_K, batch) {
  const probs_K_N = probsOf(logProbs_K), K = probs_K_N.length, count = probs_K_N[0].length;
  const rows_N_K = Float64Array.from({ length: count * K }, (_, i) => probs_K_N[i % K][Math.floor(i / K)]);
  let configurations_M = [{ prob: 1, weights_K: new Float64Array(K).fill(1 / K) }];
  const noise_N = Float64Array.from({ length: count }, (_, n) => rows_N_K.subarray(n * K, (n + 1) * K).reduce((sum, p) => sum + entropy(p) / K, 0));
  const found = { indices: [], scores: [] };
  for (let joint = 0; found.indices.length < batch;) {
    let best = -1, most = -Infinity;
    for (let n = 0; n < count; n++) {
      if (found.indices.includes(n)) continue;
      let gain = -noise_N[n]; // Σ_ŷ p(ŷ) p(w_k | ŷ) = 1/K
      for (const { prob, weights_K } of configurations_M) {
        let p = 0;
        for (let k = 0, at = n * K; k < K; k++) p += weights_K[k] * rows_N_K[at + k];
        gain += prob * entropy(p);
      }
      if (gain > most) [best, most] = [n, gain];
    }
    joint += Math.max(0, most);
    found.indices.push(best);
    found.scores.push(joint);
    configurations_M = configurations_M.flatMap((known) => observed(known, rows_N_K.subarray(best * K, (best + 1) * K)));
  }
  return found;
}

// What a configuration becomes with one more label, for both values of the label: Bayes' rule.
function observed({ prob, weights_K }, probs_K) {
  return [0, 1].map((label) => {
    const joint_K = weights_K.map((weight, k) => weight * (label ? probs_K[k] : 1 - probs_K[k]));
    const chance = joint_K.reduce((sum, one) => sum + one, 0);
    return { prob: prob * chance, weights_K: joint_K.map((one) => (chance > 0 ? one / chance : 0)) };
  }).filter((one) => one.prob > 0);
}
