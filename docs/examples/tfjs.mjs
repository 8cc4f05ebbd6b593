// TensorFlow.js as an adapter for backproof: tf.grads over a walk of program.json.
//
//   npm install --prefix docs/examples
//   backproof verify test_networks.py --adapter-command 'node docs/examples/tfjs.mjs' -k article
//
// The protocol: docs/trace-files.md. TensorFlow.js computes in float32.

import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

console.info = console.log = console.warn = console.error; // standard output is for answers
const tf = createRequire(import.meta.url)("@tensorflow/tfjs");

class Unsupported extends Error {}

const say = (line) => writeSync(1, line + "\n");

// Each op: a function of its inputs and its options, which it takes apart; no other is known.

const flat = (x) => x.reshape([-1, x.shape.at(-1)]);
const rows = (f) => (x, ...others) =>
  f(flat(x), ...others).reshape([...x.shape.slice(0, -1), -1]);

function matmul(x, W) {
  if (Math.min(x.rank, W.rank) < 2) throw new Unsupported("matmul: vectors are not written");
  if (W.rank > 2 && String(x.shape.slice(0, -2)) !== String(W.shape.slice(0, -2)))
    throw new Unsupported("matmul: TensorFlow.js has no gradient of a product that broadcasts");
  return x.rank > 2 && W.rank === 2 ? rows(tf.matMul)(x, W) : tf.matMul(x, W);
}

function sliced(x, index) {
  const parts = Array.isArray(index) ? index : [index];
  const begin = x.shape.map(() => 0), size = [...x.shape];
  parts.forEach((part, axis) => {
    const [start, stop, step] = part?.slice ?? [];
    if (!part?.slice || (step ?? 1) !== 1 || (start ?? 0) < 0 || (stop ?? 0) < 0)
      throw new Unsupported("slice index: only slices from 0 on, without a step, are written");
    begin[axis] = start ?? 0;
    size[axis] = Math.max(0, Math.min(stop ?? x.shape[axis], x.shape[axis]) - begin[axis]);
  });
  return tf.slice(x, begin, size);
}

function gelu(x, approximate) {
  if (approximate !== "tanh") return x.mul(tf.erf(x.mul(Math.SQRT1_2)).add(1)).mul(0.5);
  const inner = x.add(x.pow(3).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
  return x.mul(tf.tanh(inner).add(1)).mul(0.5);
}

function layerNorm(x, gamma, beta, eps) {
  const { mean, variance } = tf.moments(x, -1, true);
  // Not by tf.rsqrt: its gradient is -dy / (2 x^1.5), which is zero where x^1.5 overflows.
  return x.sub(mean).div(tf.sqrt(variance.add(eps))).mul(gamma).add(beta);
}

function causal(x, fill) {
  const [T, S] = x.shape.slice(-2);
  return tf.where(tf.linalg.bandPart(tf.ones([T, S]), -1, 0).cast("bool"), x, tf.fill(x.shape, fill));
}

const OPS = {
  dense: ([x, W, b], {}) => (b ? matmul(x, W).add(b) : matmul(x, W)),
  matmul: ([x, W], {}) => matmul(x, W),
  add: ([a, b], {}) => tf.add(a, b),
  subtract: ([a, b], {}) => tf.sub(a, b),
  multiply: ([a, b], {}) => tf.mul(a, b),
  divide: ([a, b], {}) => tf.div(a, b),
  negative: ([x], {}) => tf.neg(x),
  scale: ([x], { factor }) => tf.mul(x, factor),
  sigmoid: ([x], {}) => tf.sigmoid(x),
  tanh: ([x], {}) => tf.tanh(x),
  relu: ([x], {}) => tf.relu(x),
  exp: ([x], {}) => tf.exp(x),
  rsqrt: ([x], {}) => tf.rsqrt(x),
  gelu: ([x], { approximate }) => gelu(x, approximate),
  softmax: ([x], {}) => tf.softmax(x),
  log_softmax: ([x], {}) => tf.logSoftmax(x),
  layer_norm: ([x, gamma, beta], { eps = 1e-5 }) => layerNorm(x, gamma, beta, eps),
  embedding: ([W], { index }) => tf.gather(W, index),
  causal_mask: ([x], { fill = -1e4 }) => causal(x, fill),
  sum: ([x], { axis, keepdims }) => tf.sum(x, axis, keepdims),
  mean: ([x], { axis, keepdims }) => tf.mean(x, axis, keepdims),
  reshape: ([x], { shape }) => tf.reshape(x, shape),
  transpose: ([x], { axes }) => tf.transpose(x, axes.map((axis) => (axis + x.rank) % x.rank)),
  slice: ([x], { index }) => sliced(x, index),
  half_squared_error: ([y, t], {}) => tf.squaredDifference(y, t).sum().mul(0.5),
  mean_squared_error: ([y, t], {}) => tf.losses.meanSquaredError(t, y),
  softmax_cross_entropy: ([y, t], {}) => tf.losses.softmaxCrossEntropy(t, y),
  cross_entropy: ([y], { target }) =>
    tf.losses.softmaxCrossEntropy(tf.oneHot(target, y.shape.at(-1)), y),
};

const KNOWN = Object.fromEntries(
  Object.entries(OPS).map(([op, f]) => [op, String(f).match(/\{([^}]*)\}\)/)[1].match(/\w+(?=\s*(?:[,=]|$))/g) ?? []]),
);

function apply(node, known, files) {
  const options = {};
  for (const [name, option] of Object.entries(node.options ?? {})) {
    if (!(node.op in OPS)) break;
    if (!KNOWN[node.op].includes(name)) throw new Unsupported(`${node.op} ${name}: it is not written yet`);
    options[name] = option?.array === undefined ? option : integers(files[option.array]);
  }
  if (!(node.op in OPS)) throw new Unsupported(`${node.op}: it is not written yet`);
  return OPS[node.op](node.inputs.map((name) => known[name]), options);
}

// safetensors: the length of the header in 8 bytes, the header as JSON, the numbers.

function load(path) {
  const bytes = readFileSync(path);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, end).toString());
  return Object.entries(header).map(([name, { dtype, shape, data_offsets: [from, to] }]) => [
    name,
    { dtype, shape, data: new Uint8Array(bytes.subarray(end + from, end + to)).buffer },
  ]);
}

function integers({ dtype, shape, data }) {
  if (dtype !== "I64") throw new Unsupported(`options of ${dtype}: only integers are written`);
  return tf.tensor(Int32Array.from(new BigInt64Array(data), Number), shape, "int32");
}

function save(path, tensors) {
  const header = {}, parts = [];
  let end = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    const data = Buffer.from(new Float32Array(tensor.dataSync()).buffer);
    header[name] = { dtype: "F32", shape: tensor.shape, data_offsets: [end, (end += data.length)] };
    parts.push(data);
  }
  const text = Buffer.from(JSON.stringify(header)), length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([length, text, ...parts]));
}

function trace(program, files) {
  const leaves = program.leaves.map(({ name }) => name);
  const tensors = leaves.map((name) => {
    const { dtype, shape, data } = files[`value/${name}`];
    if (dtype !== "F32") throw new Unsupported(`${program.leaves[0].dtype}: TensorFlow.js has float32`);
    return tf.tensor(new Float32Array(data), shape);
  });
  if (program.task === "update") return { "value/w": tensors[0].sub(tensors[1].mul(program.eta)) };
  const values = {};
  const walk = (probe) => (...given) => {
    const known = Object.fromEntries(leaves.map((name, i) => [name, given[i]]));
    program.nodes.forEach((node, i) => {
      const value = apply(node, known, files);
      values[node.name] = tf.keep((known[node.name] = probe ? value.add(given[leaves.length + i]) : value));
    });
    return known[program.nodes.at(-1).name].mul(program.loss_scale);
  };
  walk(false)(...tensors); // the shapes of the probes: zeros that are added to every value
  const probes = program.nodes.map(({ name }) => tf.zeros(values[name].shape));
  const withProbes = program.task === "trace";
  const all = withProbes ? [...tensors, ...probes] : tensors;
  const gradients = tf.grads(walk(withProbes))(all);
  const found = {};
  for (const name in values) found[`value/${name}`] = values[name];
  gradients.forEach((gradient, i) => {
    const isLeaf = i < leaves.length;
    found[isLeaf ? `gradient/${leaves[i]}` : `cotangent/${program.nodes[i - leaves.length].name}`] = gradient;
  });
  return found;
}

await tf.setBackend("cpu");
say(`tfjs ${tf.version.tfjs}`);
for await (const line of createInterface({ input: process.stdin })) {
  const [from, to] = line.split("\t");
  tf.engine().startScope();
  try {
    const program = JSON.parse(readFileSync(join(from, "program.json"), "utf8"));
    const files = Object.fromEntries(program.numbers.flatMap((file) => load(join(from, file))));
    save(join(to, "answer.safetensors"), trace(program, files));
    say("ok");
  } catch (error) {
    say(`${error instanceof Unsupported ? "unsupported" : "error"} ${error.message.split("\n")[0]}`);
  }
  tf.engine().endScope();
}
