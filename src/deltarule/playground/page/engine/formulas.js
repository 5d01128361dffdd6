// @ts-nocheck
/* eslint-disable no-unused-vars */
// Written by `python benchmarks/page_modules.py` from deltarule's formulas and data.

import { tanh } from "./elementary.js";

export function erf(x) {
  if (!(Math.abs(x) < 6)) return Math.sign(x);
  const rounded = Math.fround(x); // whose square is exact
  const bell = Math.exp(-rounded * rounded) * Math.exp((rounded - x) * (rounded + x)) / Math.sqrt(Math.PI);
  if (Math.abs(x) < 1) {
    let term = 2 * x, total = term;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
      term *= 2 * x * x / (2 * n + 1);
      total += term;
    }
    return bell * total;
  }
  let fraction = x;
  for (let n = Math.ceil(8 + 200 / (x * x)); n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.sign(x) - bell / fraction;
}
function activations_identity(z) {
  return z;
}
function activations_identity_derivative(z, a) {
  const t0 = 0.0 * z;
  const t1 = t0 + 1.0;
  return t1;
}
function activations_sigmoid(z) {
  const t0 = -z;
  const t1 = z > 0 ? t0 : z;
  const t2 = Math.exp(t1);
  const t3 = z > 0 ? 1.0 : t2;
  const t4 = 1.0 + t2;
  const t5 = t3 / t4;
  return t5;
}
function activations_sigmoid_derivative(z, a) {
  const t0 = 1.0 - a;
  const t1 = a * t0;
  return t1;
}
function activations_hyperbolic_tangent(z) {
  const t0 = tanh(z);
  return t0;
}
function activations_hyperbolic_tangent_derivative(z, a) {
  const t0 = a * a;
  const t1 = 1.0 - t0;
  return t1;
}
function activations_softsign(z) {
  const t0 = -z;
  const t1 = z > 0 ? z : t0;
  const t2 = 1.0 + t1;
  const t3 = z / t2;
  return t3;
}
function activations_softsign_derivative(z, a) {
  const t0 = -z;
  const t1 = z > 0 ? z : t0;
  const t2 = 1.0 + t1;
  const t3 = 1.0 / t2;
  const t4 = t3 * t3;
  return t4;
}
function activations_relu(z) {
  const t0 = -z;
  const t1 = t0 > 0 ? 0.0 : z;
  return t1;
}
function activations_relu_derivative(z, a) {
  const t0 = z > 0 ? 1.0 : 0.0;
  return t0;
}
function activations_leaky_relu(z, slope) {
  const t0 = slope * z;
  const t1 = z > 0 ? z : t0;
  return t1;
}
function activations_leaky_relu_derivative(z, a, slope) {
  const t0 = z > 0 ? 1.0 : slope;
  return t0;
}
function activations_elu(z, alpha) {
  const t0 = z > 0 ? 0.0 : z;
  const t1 = Math.expm1(t0);
  const t2 = alpha * t1;
  const t3 = z > 0 ? z : t2;
  return t3;
}
function activations_elu_derivative(z, a, alpha) {
  const t0 = a + alpha;
  const t1 = z > 0 ? 1.0 : t0;
  return t1;
}
function activations_selu(z) {
  const t0 = 1.0507009873554805 * z;
  const t1 = z > 0 ? 0.0 : z;
  const t2 = Math.expm1(t1);
  const t3 = 1.7580993408473766 * t2;
  const t4 = z > 0 ? t0 : t3;
  return t4;
}
function activations_selu_derivative(z, a) {
  const t0 = a + 1.7580993408473766;
  const t1 = z > 0 ? 1.0507009873554805 : t0;
  return t1;
}
function activations_softplus(z) {
  const t0 = z > 0 ? z : 0.0;
  const t1 = -z;
  const t2 = z > 0 ? t1 : z;
  const t3 = Math.exp(t2);
  const t4 = Math.log1p(t3);
  const t5 = t0 + t4;
  return t5;
}
function activations_softplus_derivative(z, a) {
  const t0 = -z;
  const t1 = z > 0 ? t0 : z;
  const t2 = Math.exp(t1);
  const t3 = z > 0 ? 1.0 : t2;
  const t4 = 1.0 + t2;
  const t5 = t3 / t4;
  return t5;
}
function activations_silu(z) {
  const t0 = -z;
  const t1 = z > 0 ? t0 : z;
  const t2 = Math.exp(t1);
  const t3 = z > 0 ? 1.0 : t2;
  const t4 = 1.0 + t2;
  const t5 = t3 / t4;
  const t6 = z * t5;
  return t6;
}
function activations_silu_derivative(z, a) {
  const t0 = -z;
  const t1 = z > 0 ? t0 : z;
  const t2 = Math.exp(t1);
  const t3 = z > 0 ? 1.0 : t2;
  const t4 = 1.0 + t2;
  const t5 = t3 / t4;
  const t6 = 1.0 - t5;
  const t7 = a * t6;
  const t8 = t5 + t7;
  return t8;
}
function activations_mish(z) {
  const t0 = -z;
  const t1 = z > 0 ? t0 : z;
  const t2 = Math.exp(t1);
  const t3 = 2.0 * t2;
  const t4 = 1.0 + t3;
  const t5 = t2 + 2.0;
  const t6 = t2 * t5;
  const t7 = z > 0 ? t4 : t6;
  const t8 = t3 * t2;
  const t9 = z > 0 ? t8 : 2.0;
  const t10 = t7 + t9;
  const t11 = t7 / t10;
  const t12 = z * t11;
  return t12;
}
function activations_mish_derivative(z, a) {
  const t0 = -z;
  const t1 = z > 0 ? t0 : z;
  const t2 = Math.exp(t1);
  const t3 = 2.0 * t2;
  const t4 = 1.0 + t3;
  const t5 = t2 + 2.0;
  const t6 = t2 * t5;
  const t7 = z > 0 ? t4 : t6;
  const t8 = t3 * t2;
  const t9 = z > 0 ? t8 : 2.0;
  const t10 = t7 + t9;
  const t11 = t7 / t10;
  const t12 = z > 0 ? 1.0 : t2;
  const t13 = 1.0 + t2;
  const t14 = t12 / t13;
  const t15 = z * t14;
  const t16 = 2.0 * t7;
  const t17 = t9 + t16;
  const t18 = t9 * t17;
  const t19 = t10 * t10;
  const t20 = t18 / t19;
  const t21 = t15 * t20;
  const t22 = t11 + t21;
  return t22;
}
function activations_gelu(z) {
  const t0 = z / 1.4142135623730951;
  const t1 = erf(t0);
  const t2 = 1.0 + t1;
  const t3 = z * t2;
  const t4 = t3 / 2.0;
  return t4;
}
function activations_gelu_derivative(z, a) {
  const t0 = z / 1.4142135623730951;
  const t1 = erf(t0);
  const t2 = 1.0 + t1;
  const t3 = t2 / 2.0;
  const t4 = -z;
  const t5 = t4 * z;
  const t6 = t5 / 2.0;
  const t7 = Math.exp(t6);
  const t8 = z * t7;
  const t9 = t8 / 2.5066282746310002;
  const t10 = t3 + t9;
  return t10;
}
function activations_exponential(z) {
  const t0 = Math.exp(z);
  return t0;
}
function activations_exponential_derivative(z, a) {
  return a;
}
function losses_squared_error(p, y) {
  const t0 = p - y;
  const t1 = t0 * t0;
  return t1;
}
function losses_squared_error_derivative(p, y) {
  const t0 = p - y;
  const t1 = 2.0 * t0;
  return t1;
}
function losses_half_squared_error(p, y) {
  const t0 = p - y;
  const t1 = t0 * t0;
  const t2 = t1 / 2.0;
  return t2;
}
function losses_half_squared_error_derivative(p, y) {
  const t0 = p - y;
  return t0;
}
function losses_absolute_error(p, y) {
  const t0 = p - y;
  const t1 = y - p;
  const t2 = t0 > 0 ? t0 : t1;
  return t2;
}
function losses_absolute_error_derivative(p, y) {
  const t0 = p - y;
  const t1 = y - p;
  const t2 = 0.0 * t0;
  const t3 = t1 > 0 ? (-1.0) : t2;
  const t4 = t0 > 0 ? 1.0 : t3;
  return t4;
}
function losses_huber(p, y, delta) {
  const t0 = p - y;
  const t1 = y - p;
  const t2 = t0 > 0 ? t0 : t1;
  const t3 = t2 - delta;
  const t4 = delta / 2.0;
  const t5 = t2 - t4;
  const t6 = delta * t5;
  const t7 = t2 * t2;
  const t8 = t7 / 2.0;
  const t9 = t3 > 0 ? t6 : t8;
  return t9;
}
function losses_huber_derivative(p, y, delta) {
  const t0 = p - y;
  const t1 = t0 - delta;
  const t2 = -t0;
  const t3 = t2 - delta;
  const t4 = -delta;
  const t5 = t3 > 0 ? t4 : t0;
  const t6 = t1 > 0 ? delta : t5;
  return t6;
}
function losses_quantile_error(p, y, quantile) {
  const t0 = p - y;
  const t1 = 1.0 - quantile;
  const t2 = t1 * t0;
  const t3 = y - p;
  const t4 = quantile * t3;
  const t5 = t0 > 0 ? t2 : t4;
  return t5;
}
function losses_quantile_error_derivative(p, y, quantile) {
  const t0 = p - y;
  const t1 = 1.0 - quantile;
  const t2 = y - p;
  const t3 = -quantile;
  const t4 = 0.0 * t0;
  const t5 = t2 > 0 ? t3 : t4;
  const t6 = t0 > 0 ? t1 : t5;
  return t6;
}
function losses_poisson(p, y) {
  const t0 = p - y;
  const t1 = y > 0 ? y : 1.0;
  const t2 = Math.log(t1);
  const t3 = y * t2;
  const t4 = 0.0 * y;
  const t5 = t4 * y;
  const t6 = y > 0 ? t3 : t5;
  const t7 = t0 + t6;
  const t8 = y > 0 ? p : 1.0;
  const t9 = Math.log(t8);
  const t10 = y * t9;
  const t11 = t4 * p;
  const t12 = y > 0 ? t10 : t11;
  const t13 = t7 - t12;
  return t13;
}
function losses_poisson_derivative(p, y) {
  const t0 = y > 0 ? p : 1.0;
  const t1 = y / t0;
  const t2 = 0.0 * y;
  const t3 = t2 * p;
  const t4 = y > 0 ? t1 : t3;
  const t5 = 1.0 - t4;
  return t5;
}
function losses_poisson_from_logits(z, y) {
  const t0 = Math.exp(z);
  const t1 = t0 - y;
  const t2 = y > 0 ? y : 1.0;
  const t3 = Math.log(t2);
  const t4 = y * t3;
  const t5 = 0.0 * y;
  const t6 = t5 * y;
  const t7 = y > 0 ? t4 : t6;
  const t8 = t1 + t7;
  const t9 = y * z;
  const t10 = t8 - t9;
  return t10;
}
function losses_poisson_from_logits_derivative(z, y) {
  const t0 = Math.exp(z);
  const t1 = t0 - y;
  return t1;
}
function losses_binary_cross_entropy(p, y) {
  const t0 = y > 0 ? p : 1.0;
  const t1 = Math.log(t0);
  const t2 = y * t1;
  const t3 = 0.0 * y;
  const t4 = t3 * p;
  const t5 = y > 0 ? t2 : t4;
  const t6 = -t5;
  const t7 = 1.0 - y;
  const t8 = 1.0 - p;
  const t9 = t7 > 0 ? t8 : 1.0;
  const t10 = Math.log(t9);
  const t11 = t7 * t10;
  const t12 = 0.0 * t7;
  const t13 = t12 * t8;
  const t14 = t7 > 0 ? t11 : t13;
  const t15 = t6 - t14;
  return t15;
}
function losses_binary_cross_entropy_derivative(p, y) {
  const t0 = 1.0 - y;
  const t1 = 1.0 - p;
  const t2 = t0 > 0 ? t1 : 1.0;
  const t3 = t0 / t2;
  const t4 = 0.0 * t0;
  const t5 = t4 * t1;
  const t6 = t0 > 0 ? t3 : t5;
  const t7 = y > 0 ? p : 1.0;
  const t8 = y / t7;
  const t9 = 0.0 * y;
  const t10 = t9 * p;
  const t11 = y > 0 ? t8 : t10;
  const t12 = t6 - t11;
  return t12;
}
function losses_binary_cross_entropy_from_logits(z, y) {
  const t0 = 1.0 - y;
  const t1 = t0 * z;
  const t2 = -y;
  const t3 = t2 * z;
  const t4 = z > 0 ? t1 : t3;
  const t5 = -z;
  const t6 = z > 0 ? t5 : z;
  const t7 = Math.exp(t6);
  const t8 = Math.log1p(t7);
  const t9 = t4 + t8;
  return t9;
}
function losses_binary_cross_entropy_from_logits_derivative(z, y) {
  const t0 = -z;
  const t1 = z > 0 ? t0 : z;
  const t2 = Math.exp(t1);
  const t3 = z > 0 ? 1.0 : t2;
  const t4 = 1.0 + t2;
  const t5 = t3 / t4;
  const t6 = t5 - y;
  return t6;
}
function losses_cross_entropy(p, y) {
  const t0 = y > 0 ? p : 1.0;
  const t1 = Math.log(t0);
  const t2 = y * t1;
  const t3 = 0.0 * y;
  const t4 = t3 * p;
  const t5 = y > 0 ? t2 : t4;
  const t6 = -t5;
  return t6;
}
function losses_cross_entropy_derivative(p, y) {
  const t0 = y > 0 ? p : 1.0;
  const t1 = y / t0;
  const t2 = 0.0 * y;
  const t3 = t2 * p;
  const t4 = y > 0 ? t1 : t3;
  const t5 = -t4;
  return t5;
}
function losses_naive_binary_cross_entropy(p, y, epsilon) {
  const t0 = -y;
  const t1 = Math.log(p);
  const t2 = t0 * t1;
  const t3 = 1.0 - y;
  const t4 = 1.0 - p;
  const t5 = Math.log(t4);
  const t6 = t3 * t5;
  const t7 = t2 - t6;
  return t7;
}
function losses_naive_binary_cross_entropy_derivative(p, y, epsilon) {
  const t0 = 1.0 - y;
  const t1 = 1.0 - p;
  const t2 = t1 + epsilon;
  const t3 = t0 / t2;
  const t4 = p + epsilon;
  const t5 = y / t4;
  const t6 = t3 - t5;
  return t6;
}
function penalties_l2(w) {
  const t0 = w * w;
  return t0;
}
function penalties_l2_derivative(w) {
  const t0 = 2.0 * w;
  return t0;
}
function penalties_weight_decay(w) {
  const t0 = w * w;
  const t1 = t0 / 2.0;
  return t1;
}
function penalties_weight_decay_derivative(w) {
  return w;
}
function penalties_l1(w) {
  const t0 = -w;
  const t1 = w > 0 ? w : t0;
  return t1;
}
function penalties_l1_derivative(w) {
  const t0 = -w;
  const t1 = 0.0 * w;
  const t2 = t0 > 0 ? (-1.0) : t1;
  const t3 = w > 0 ? 1.0 : t2;
  return t3;
}
function optimizers_sgd(theta, g, learning_rate) {
  const t0 = learning_rate * g;
  const t1 = theta - t0;
  return t1;
}
function optimizers_sgd_all([theta, g], [learning_rate], start, stop) {
  for (let i = start; i < stop; i++) { theta[i] = optimizers_sgd(theta[i], g[i], learning_rate); }
}
function optimizers_momentum(theta, g, v, learning_rate, momentum) {
  const t0 = momentum * v;
  const t1 = learning_rate * g;
  const t2 = t0 - t1;
  const t3 = theta + t2;
  return [t3, t2];
}
function optimizers_momentum_all([theta, g, v], [learning_rate, momentum], start, stop) {
  for (let i = start; i < stop; i++) { const after = optimizers_momentum(theta[i], g[i], v[i], learning_rate, momentum); theta[i] = after[0]; v[i] = after[1]; }
}
function optimizers_nesterov(theta, g, v, learning_rate, momentum) {
  const t0 = momentum * v;
  const t1 = learning_rate * g;
  const t2 = t0 - t1;
  const t3 = momentum * t2;
  const t4 = theta + t3;
  const t5 = t4 - t1;
  return [t5, t2];
}
function optimizers_nesterov_all([theta, g, v], [learning_rate, momentum], start, stop) {
  for (let i = start; i < stop; i++) { const after = optimizers_nesterov(theta[i], g[i], v[i], learning_rate, momentum); theta[i] = after[0]; v[i] = after[1]; }
}
function optimizers_adagrad(theta, g, s, learning_rate, initial, epsilon) {
  const t0 = g * g;
  const t1 = s + t0;
  const t2 = learning_rate * g;
  const t3 = initial + t1;
  const t4 = Math.sqrt(t3);
  const t5 = t4 + epsilon;
  const t6 = t2 / t5;
  const t7 = theta - t6;
  return [t7, t1];
}
function optimizers_adagrad_all([theta, g, s], [learning_rate, initial, epsilon], start, stop) {
  for (let i = start; i < stop; i++) { const after = optimizers_adagrad(theta[i], g[i], s[i], learning_rate, initial, epsilon); theta[i] = after[0]; s[i] = after[1]; }
}
function optimizers_normalized_gradient(theta, g, norm, learning_rate, epsilon) {
  const t0 = learning_rate * g;
  const t1 = norm * norm;
  const t2 = t1 + epsilon;
  const t3 = Math.sqrt(t2);
  const t4 = t0 / t3;
  const t5 = theta - t4;
  return t5;
}
function optimizers_normalized_gradient_all([theta, g], [norm, learning_rate, epsilon], start, stop) {
  for (let i = start; i < stop; i++) { theta[i] = optimizers_normalized_gradient(theta[i], g[i], norm, learning_rate, epsilon); }
}
function optimizers_rmsprop(theta, g, s, learning_rate, decay, gain, epsilon) {
  const t0 = decay * s;
  const t1 = gain * g;
  const t2 = t1 * g;
  const t3 = t0 + t2;
  const t4 = learning_rate * g;
  const t5 = Math.sqrt(t3);
  const t6 = t5 + epsilon;
  const t7 = t4 / t6;
  const t8 = theta - t7;
  return [t8, t3];
}
function optimizers_rmsprop_all([theta, g, s], [learning_rate, decay, gain, epsilon], start, stop) {
  for (let i = start; i < stop; i++) { const after = optimizers_rmsprop(theta[i], g[i], s[i], learning_rate, decay, gain, epsilon); theta[i] = after[0]; s[i] = after[1]; }
}
function optimizers_rmsprop_once_a_step(t, learning_rate, decay, epsilon) {
  const t0 = 1.0 - decay;
  return [learning_rate, decay, t0, epsilon];
}
function optimizers_adam(theta, g, m, v, rate, beta1, beta2, gain1, gain2, epsilon) {
  const t0 = beta1 * m;
  const t1 = gain1 * g;
  const t2 = t0 + t1;
  const t3 = beta2 * v;
  const t4 = gain2 * g;
  const t5 = t4 * g;
  const t6 = t3 + t5;
  const t7 = rate * t2;
  const t8 = Math.sqrt(t6);
  const t9 = t8 + epsilon;
  const t10 = t7 / t9;
  const t11 = theta - t10;
  return [t11, t2, t6];
}
function optimizers_adam_all([theta, g, m, v], [rate, beta1, beta2, gain1, gain2, epsilon], start, stop) {
  for (let i = start; i < stop; i++) { const after = optimizers_adam(theta[i], g[i], m[i], v[i], rate, beta1, beta2, gain1, gain2, epsilon); theta[i] = after[0]; m[i] = after[1]; v[i] = after[2]; }
}
function optimizers_adam_once_a_step(t, learning_rate, beta1, beta2, epsilon) {
  const t0 = beta2 ** t;
  const t1 = 1.0 - t0;
  const t2 = Math.sqrt(t1);
  const t3 = learning_rate * t2;
  const t4 = beta1 ** t;
  const t5 = 1.0 - t4;
  const t6 = t3 / t5;
  const t7 = 1.0 - beta1;
  const t8 = 1.0 - beta2;
  const t9 = epsilon * t2;
  return [t6, beta1, beta2, t7, t8, t9];
}
function optimizers_adamw(theta, g, m, v, shrink, rate, beta1, beta2, gain1, gain2, epsilon) {
  const t0 = shrink * theta;
  const t1 = theta - t0;
  const t2 = beta1 * m;
  const t3 = gain1 * g;
  const t4 = t2 + t3;
  const t5 = beta2 * v;
  const t6 = gain2 * g;
  const t7 = t6 * g;
  const t8 = t5 + t7;
  const t9 = rate * t4;
  const t10 = Math.sqrt(t8);
  const t11 = t10 + epsilon;
  const t12 = t9 / t11;
  const t13 = t1 - t12;
  return [t13, t4, t8];
}
function optimizers_adamw_all([theta, g, m, v], [shrink, rate, beta1, beta2, gain1, gain2, epsilon], start, stop) {
  for (let i = start; i < stop; i++) { const after = optimizers_adamw(theta[i], g[i], m[i], v[i], shrink, rate, beta1, beta2, gain1, gain2, epsilon); theta[i] = after[0]; m[i] = after[1]; v[i] = after[2]; }
}
function optimizers_adamw_once_a_step(t, learning_rate, weight_decay, beta1, beta2, epsilon) {
  const t0 = learning_rate * weight_decay;
  const t1 = beta2 ** t;
  const t2 = 1.0 - t1;
  const t3 = Math.sqrt(t2);
  const t4 = learning_rate * t3;
  const t5 = beta1 ** t;
  const t6 = 1.0 - t5;
  const t7 = t4 / t6;
  const t8 = 1.0 - beta1;
  const t9 = 1.0 - beta2;
  const t10 = epsilon * t3;
  return [t0, t7, beta1, beta2, t8, t9, t10];
}
function optimizers_rprop(theta, g, previous, size, learning_rate, increase, decrease, smallest, largest) {
  const t0 = 0.0 * size;
  const t1 = learning_rate + t0;
  const t2 = size > 0 ? size : t1;
  const t3 = g * previous;
  const t4 = t2 * increase;
  const t5 = largest - t4;
  const t6 = 0.0 * t4;
  const t7 = largest + t6;
  const t8 = t5 > 0 ? t4 : t7;
  const t9 = t3 > 0 ? t8 : t2;
  const t10 = -t3;
  const t11 = t9 * decrease;
  const t12 = t11 - smallest;
  const t13 = 0.0 * t11;
  const t14 = smallest + t13;
  const t15 = t12 > 0 ? t11 : t14;
  const t16 = t10 > 0 ? t15 : t9;
  const t17 = 0.0 * g;
  const t18 = t10 > 0 ? t17 : g;
  const t19 = -t18;
  const t20 = -t16;
  const t21 = 0.0 * t18;
  const t22 = t19 > 0 ? t20 : t21;
  const t23 = t18 > 0 ? t16 : t22;
  const t24 = theta - t23;
  return [t24, t18, t16];
}
function optimizers_rprop_all([theta, g, previous, size], [learning_rate, increase, decrease, smallest, largest], start, stop) {
  for (let i = start; i < stop; i++) { const after = optimizers_rprop(theta[i], g[i], previous[i], size[i], learning_rate, increase, decrease, smallest, largest); theta[i] = after[0]; previous[i] = after[1]; size[i] = after[2]; }
}
function schedules_constant(t, learning_rate) {
  const t0 = 0.0 * t;
  const t1 = learning_rate + t0;
  return t1;
}
function schedules_step(t, learning_rate, every, factor) {
  const t0 = t / every;
  const t1 = Math.floor(t0);
  const t2 = factor ** t1;
  const t3 = learning_rate * t2;
  return t3;
}
function schedules_exponential(t, learning_rate, factor) {
  const t0 = factor ** t;
  const t1 = learning_rate * t0;
  return t1;
}
function schedules_inverse_scaling(t, learning_rate, power) {
  const t0 = t + 1.0;
  const t1 = t0 ** power;
  const t2 = learning_rate / t1;
  return t2;
}
function schedules_squaring(t, learning_rate, every, at_start) {
  const t0 = t / every;
  const t1 = Math.floor(t0);
  const t2 = t1 + at_start;
  const t3 = 2.0 ** t2;
  const t4 = learning_rate ** t3;
  return t4;
}
function schedules_cosine(t, learning_rate, steps, lowest, warm_up) {
  const t0 = t - warm_up;
  const t1 = steps - warm_up;
  const t2 = t0 / t1;
  const t3 = 1.0 - t2;
  const t4 = t3 > 0 ? t2 : 1.0;
  const t5 = 1.0 - lowest;
  const t6 = t4 > 0 ? t4 : 0.0;
  const t7 = 3.141592653589793 * t6;
  const t8 = Math.cos(t7);
  const t9 = 1.0 + t8;
  const t10 = t5 * t9;
  const t11 = t10 / 2.0;
  const t12 = lowest + t11;
  const t13 = warm_up - t;
  const t14 = t + 1.0;
  const t15 = warm_up + 1.0;
  const t16 = t14 / t15;
  const t17 = t13 > 0 ? t16 : t12;
  const t18 = learning_rate * t17;
  return t18;
}
function schedules_coslog4(t, learning_rate, steps) {
  const t0 = steps - t;
  const t1 = 0.0 * t;
  const t2 = steps + t1;
  const t3 = t0 > 0 ? t : t2;
  const t4 = t3 / steps;
  const t5 = 15.0 * t4;
  const t6 = Math.log1p(t5);
  const t7 = t6 / 0.6931471805599453;
  const t8 = 6.283185307179586 * t7;
  const t9 = Math.cos(t8);
  const t10 = 1.0 - t9;
  const t11 = learning_rate * t10;
  const t12 = t11 / 2.0;
  return t12;
}
function schedules_flat_cosine(t, learning_rate, steps, flat) {
  const t0 = steps - t;
  const t1 = 0.0 * t;
  const t2 = steps + t1;
  const t3 = t0 > 0 ? t : t2;
  const t4 = t3 / steps;
  const t5 = t4 - flat;
  const t6 = 1.0 - flat;
  const t7 = t5 / t6;
  const t8 = t7 > 0 ? t7 : 0.0;
  const t9 = 3.141592653589793 * t8;
  const t10 = Math.cos(t9);
  const t11 = 1.0 + t10;
  const t12 = learning_rate * t11;
  const t13 = t12 / 2.0;
  return t13;
}
function schedules_warm_up(t, learning_rate, steps) {
  const t0 = steps - t;
  const t1 = t + 1.0;
  const t2 = steps + 1.0;
  const t3 = t1 / t2;
  const t4 = t0 > 0 ? t3 : 1.0;
  const t5 = learning_rate * t4;
  return t5;
}
function schedules_linear_ramp(t, learning_rate, steps, highest) {
  const t0 = highest - learning_rate;
  const t1 = steps - 1.0;
  const t2 = t1 - t;
  const t3 = 0.0 * t;
  const t4 = t1 + t3;
  const t5 = t2 > 0 ? t : t4;
  const t6 = t5 / t1;
  const t7 = t0 * t6;
  const t8 = learning_rate + t7;
  return t8;
}
function schedules_exponential_ramp(t, learning_rate, steps, highest) {
  const t0 = steps - 1.0;
  const t1 = t0 - t;
  const t2 = 0.0 * t;
  const t3 = t0 + t2;
  const t4 = t1 > 0 ? t : t3;
  const t5 = t4 / t0;
  const t6 = 1.0 - t5;
  const t7 = learning_rate ** t6;
  const t8 = highest ** t5;
  const t9 = t7 * t8;
  return t9;
}

/** @type {Record<string, any>} */
export const ACTIVATIONS = { identity: { value: activations_identity, derivative: activations_identity_derivative, parameters: {  }, range: "real" }, sigmoid: { value: activations_sigmoid, derivative: activations_sigmoid_derivative, parameters: {  }, range: "unit" }, tanh: { value: activations_hyperbolic_tangent, derivative: activations_hyperbolic_tangent_derivative, parameters: {  }, range: "real" }, softsign: { value: activations_softsign, derivative: activations_softsign_derivative, parameters: {  }, range: "real" }, relu: { value: activations_relu, derivative: activations_relu_derivative, parameters: {  }, range: "nonnegative" }, leaky_relu: { value: activations_leaky_relu, derivative: activations_leaky_relu_derivative, parameters: { slope: 0.01 }, range: "real" }, elu: { value: activations_elu, derivative: activations_elu_derivative, parameters: { alpha: 1.0 }, range: "real" }, selu: { value: activations_selu, derivative: activations_selu_derivative, parameters: {  }, range: "real" }, softplus: { value: activations_softplus, derivative: activations_softplus_derivative, parameters: {  }, range: "positive" }, silu: { value: activations_silu, derivative: activations_silu_derivative, parameters: {  }, range: "real" }, mish: { value: activations_mish, derivative: activations_mish_derivative, parameters: {  }, range: "real" }, gelu: { value: activations_gelu, derivative: activations_gelu_derivative, parameters: {  }, range: "real" }, exponential: { value: activations_exponential, derivative: activations_exponential_derivative, parameters: {  }, range: "positive" } };
/** @type {Record<string, any>} */
export const LOSSES = { squared_error: { value: losses_squared_error, derivative: losses_squared_error_derivative, parameters: {  }, domain: "real", fused: {  } }, half_squared_error: { value: losses_half_squared_error, derivative: losses_half_squared_error_derivative, parameters: {  }, domain: "real", fused: {  } }, absolute_error: { value: losses_absolute_error, derivative: losses_absolute_error_derivative, parameters: {  }, domain: "real", fused: {  } }, huber: { value: losses_huber, derivative: losses_huber_derivative, parameters: { delta: 1.0 }, domain: "real", fused: {  } }, quantile: { value: losses_quantile_error, derivative: losses_quantile_error_derivative, parameters: { quantile: 0.5 }, domain: "real", fused: {  } }, poisson: { value: losses_poisson, derivative: losses_poisson_derivative, parameters: {  }, domain: "positive", fused: { exponential: { value: losses_poisson_from_logits, derivative: losses_poisson_from_logits_derivative } } }, binary_cross_entropy: { value: losses_binary_cross_entropy, derivative: losses_binary_cross_entropy_derivative, parameters: {  }, domain: "unit", fused: { sigmoid: { value: losses_binary_cross_entropy_from_logits, derivative: losses_binary_cross_entropy_from_logits_derivative } } }, cross_entropy: { value: losses_cross_entropy, derivative: losses_cross_entropy_derivative, parameters: {  }, domain: "simplex", fused: {  } }, naive_binary_cross_entropy: { value: losses_naive_binary_cross_entropy, derivative: losses_naive_binary_cross_entropy_derivative, parameters: { epsilon: 1e-08 }, domain: "real", fused: {  } } };
/** @type {Record<string, any>} */
export const PENALTIES = { l2: { value: penalties_l2, derivative: penalties_l2_derivative, per_sample: false }, weight_decay: { value: penalties_weight_decay, derivative: penalties_weight_decay_derivative, per_sample: false }, l1: { value: penalties_l1, derivative: penalties_l1_derivative, per_sample: false }, l2_per_sample: { value: penalties_l2, derivative: penalties_l2_derivative, per_sample: true }, weight_decay_per_sample: { value: penalties_weight_decay, derivative: penalties_weight_decay_derivative, per_sample: true }, l1_per_sample: { value: penalties_l1, derivative: penalties_l1_derivative, per_sample: true } };
/** @type {Record<string, any>} */
export const OPTIMIZERS = { sgd: { update: optimizers_sgd_all, slots: [], parameters: {  }, once_a_step: null, norms: false, decay: false }, momentum: { update: optimizers_momentum_all, slots: ["v"], parameters: { momentum: 0.9 }, once_a_step: null, norms: false, decay: false }, nesterov: { update: optimizers_nesterov_all, slots: ["v"], parameters: { momentum: 0.9 }, once_a_step: null, norms: false, decay: false }, adagrad: { update: optimizers_adagrad_all, slots: ["s"], parameters: { initial: 0.0, epsilon: 1e-10 }, once_a_step: null, norms: false, decay: false }, normalized_gradient: { update: optimizers_normalized_gradient_all, slots: [], parameters: { epsilon: 1e-08 }, once_a_step: null, norms: true, decay: false }, rmsprop: { update: optimizers_rmsprop_all, slots: ["s"], parameters: { decay: 0.9, epsilon: 1e-08 }, once_a_step: optimizers_rmsprop_once_a_step, norms: false, decay: false }, adam: { update: optimizers_adam_all, slots: ["m", "v"], parameters: { beta1: 0.9, beta2: 0.999, epsilon: 1e-08 }, once_a_step: optimizers_adam_once_a_step, norms: false, decay: false }, adamw: { update: optimizers_adamw_all, slots: ["m", "v"], parameters: { weight_decay: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-08 }, once_a_step: optimizers_adamw_once_a_step, norms: false, decay: true }, rprop: { update: optimizers_rprop_all, slots: ["previous", "size"], parameters: { increase: 1.2, decrease: 0.5, smallest: 1e-06, largest: 50.0 }, once_a_step: null, norms: false, decay: false } };
/** @type {Record<string, any>} */
export const SCHEDULES = { constant: { rate: schedules_constant, parameters: {  } }, step: { rate: schedules_step, parameters: { every: 1000.0, factor: 0.5 } }, exponential: { rate: schedules_exponential, parameters: { factor: 0.999 } }, inverse_scaling: { rate: schedules_inverse_scaling, parameters: { power: 0.5 } }, squaring: { rate: schedules_squaring, parameters: { every: 500.0, at_start: 0.0 } }, cosine: { rate: schedules_cosine, parameters: { steps: 1000.0, lowest: 0.0, warm_up: 0.0 } }, coslog4: { rate: schedules_coslog4, parameters: { steps: 1000.0 } }, flat_cosine: { rate: schedules_flat_cosine, parameters: { steps: 1000.0, flat: 0.5 } }, warm_up: { rate: schedules_warm_up, parameters: { steps: 100.0 } }, linear_ramp: { rate: schedules_linear_ramp, parameters: { steps: 100.0, highest: 1.0 } }, exponential_ramp: { rate: schedules_exponential_ramp, parameters: { steps: 100.0, highest: 1.0 } } };
