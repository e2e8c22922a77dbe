//! The gamma and beta functions, in logarithms.

/// ln Γ(x) for x > 0: Stirling's series, shifted up to where it is exact to machine precision.
/// Source: NIST Digital Library of Mathematical Functions, 5.11.1 and 5.5.1.
fn ln_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    if x < 10.0 {
        // Γ(x) = Γ(x + 1) / x; one logarithm for the whole product.
        let mut product = 1.0;
        while x < 10.0 {
            product *= x;
            x += 1.0;
        }
        shift = -f64::ln(product);
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse
        * (1.0 / 12.0
            - square
                * (1.0 / 360.0
                    - square
                        * (1.0 / 1260.0
                            - square * (1.0 / 1680.0 - square * (1.0 / 1188.0 - square * 691.0 / 360_360.0)))));
    shift + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

/// ln B(a, b) for a, b > 0.
pub(crate) fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// `count · ln(rate)`, with 0 · ln 0 = 0.
pub(crate) fn times_ln(count: f64, rate: f64) -> f64 {
    if count == 0.0 {
        0.0
    } else if rate <= 0.0 {
        f64::NEG_INFINITY
    } else {
        count * rate.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gamma_function_agrees_with_factorials_and_halves() {
        let mut factorial: f64 = 1.0;
        for n in 1..20 {
            assert!((ln_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-12, "{n}");
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-13);
        // Γ(0.2) = 4.590843711998803, Γ(1/3) = 2.678938534707748
        assert!((ln_gamma(0.2) - 4.590_843_711_998_803_f64.ln()).abs() < 1e-13);
        assert!((ln_gamma(1.0 / 3.0) - 2.678_938_534_707_747_6_f64.ln()).abs() < 1e-13);
    }

    #[test]
    fn the_beta_function_agrees_with_its_closed_forms() {
        assert!((ln_beta(2.0, 3.0) - (1.0_f64 / 12.0).ln()).abs() < 1e-13);
        assert!((ln_beta(0.5, 0.5) - std::f64::consts::PI.ln()).abs() < 1e-13);
    }
}
