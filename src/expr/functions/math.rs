//! Functions of numbers. What is not exact in IEEE 754 is computed in software, to the same bits on every machine.

use super::super::cells::{Fault, map1, map2};
use super::Run::Rows;
use super::{Function, f};

pub const TABLE: &[Function] = &[
    f(
        "abs",
        &[],
        &[
            (
                "x: int -> int",
                Rows(|a| map1(a, |x: i64| x.checked_abs().ok_or_else(|| Fault::overflow(format!("abs({x})"))))),
            ),
            ("x: float -> float", Rows(|a| map1(a, f64::abs))),
        ],
        "Gives the distance from 0.",
        ("abs(-3)", "3"),
    ),
    f(
        "round",
        &[],
        &[
            ("x: int -> int", Rows(|a| map1(a, |x: i64| x))),
            ("x: float -> float", Rows(|a| map1(a, f64::round))),
            ("x: float, n: int -> float", Rows(|a| map2(a, rounded))),
        ],
        "Rounds half away from zero, to `n` decimal places.",
        ("round(2.567, 2)", "2.57"),
    ),
    f(
        "floor",
        &[],
        &[("x: int -> int", Rows(|a| map1(a, |x: i64| x))), ("x: float -> float", Rows(|a| map1(a, f64::floor)))],
        "Gives the greatest whole number that is not above `x`.",
        ("floor(-1.5)", "-2.0"),
    ),
    f(
        "ceil",
        &["ceiling"],
        &[("x: int -> int", Rows(|a| map1(a, |x: i64| x))), ("x: float -> float", Rows(|a| map1(a, f64::ceil)))],
        "Gives the least whole number that is not below `x`.",
        ("ceil(1.2)", "2.0"),
    ),
    f(
        "sign",
        &[],
        &[
            ("x: int -> int", Rows(|a| map1(a, i64::signum))),
            ("x: float -> float", Rows(|a| map1(a, |x: f64| if x == 0.0 { 0.0 } else { x.signum() }))),
        ],
        "Gives -1, 0 or 1.",
        ("sign(-7)", "-1"),
    ),
    f(
        "sqrt",
        &[],
        &[("x: float -> float", Rows(|a| map1(a, |x: f64| within(x >= 0.0 || x.is_nan(), "sqrt", x, f64::sqrt))))],
        "Gives the square root; below 0 is a row error.",
        ("sqrt(9)", "3.0"),
    ),
    f(
        "power",
        &["pow"],
        &[("x: float, y: float -> float", Rows(|a| map2(a, power)))],
        "Raises `x` to the power `y`.",
        ("power(2, 10)", "1024.0"),
    ),
    f(
        "exp",
        &[],
        &[("x: float -> float", Rows(|a| map1(a, libm::exp)))],
        "Raises e to the power `x`.",
        ("exp(0)", "1.0"),
    ),
    f(
        "ln",
        &[],
        &[("x: float -> float", Rows(|a| map1(a, |x: f64| within(x > 0.0 || x.is_nan(), "ln", x, libm::log))))],
        "Gives the natural logarithm; 0 and below is a row error.",
        ("ln(1)", "0.0"),
    ),
    f(
        "log10",
        &[],
        &[("x: float -> float", Rows(|a| map1(a, |x: f64| within(x > 0.0 || x.is_nan(), "log10", x, libm::log10))))],
        "Gives the logarithm to base 10.",
        ("log10(1000)", "3.0"),
    ),
    f(
        "log2",
        &[],
        &[("x: float -> float", Rows(|a| map1(a, |x: f64| within(x > 0.0 || x.is_nan(), "log2", x, libm::log2))))],
        "Gives the logarithm to base 2.",
        ("log2(8)", "3.0"),
    ),
    f(
        "pi",
        &[],
        &[(" -> float", Rows(|a| a.each(|_| std::f64::consts::PI)))],
        "Gives π.",
        ("round(pi(), 4)", "3.1416"),
    ),
];

fn within(inside: bool, name: &str, x: f64, f: fn(f64) -> f64) -> Result<f64, Fault> {
    if inside {
        return Ok(f(x));
    }
    Err(Fault::new(format!("{name}({x:?}) is not a number"))
        .help(format!("guard it: `case when x > 0 then {name}(x) end`")))
}

fn power(x: f64, y: f64) -> Result<f64, Fault> {
    let power = libm::pow(x, y);
    if power.is_nan() && !x.is_nan() && !y.is_nan() || x == 0.0 && y < 0.0 {
        return Err(Fault::new(format!("power({x:?}, {y:?}) is not a number")));
    }
    Ok(power)
}

fn rounded(x: f64, n: i64) -> f64 {
    // Beyond these places every float is whole, or is 0.
    let scale: f64 = format!("1e{}", n.clamp(-308, 308).abs()).parse().expect("a power of ten is a number");
    let (scaled, back) = if n >= 0 { (x * scale, true) } else { (x / scale, false) };
    match scaled.is_finite() {
        false => x,
        true if back => scaled.round() / scale,
        true => scaled.round() * scale,
    }
}
