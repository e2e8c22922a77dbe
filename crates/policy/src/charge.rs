//! What keeps a condition within its budget.
//!
//! CEL always ends, but nested comprehensions over long lists can take very long. After parsing,
//! every place where work depends on the size of a value is wrapped in a call that charges for it
//! before it is done: the range of a comprehension (its length times the size of its body), and the
//! operands of operators that walk through a whole list, map or text. The interpreter stays the
//! library's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::extractors::Arguments;
use cel::objects::Key;
use cel::{Context, ExecutionError, IdedExpr, Value};

/// How much work one evaluation may take, in visited nodes of the expression.
pub(crate) const BUDGET: u64 = 200_000;

/// Charges for a comprehension and fixes the order in which it goes through a map. No condition can
/// contain this name: `@` begins no identifier.
const RANGE: &str = "@range";
/// Whether there is budget left: a loop ends as soon as there is none, also where the expression
/// makes nothing of an error (as `exists` does).
const WITHIN: &str = "@within";
/// Charges for walking through a value.
const WALK: &str = "@walk";

/// What an evaluation has used up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spent(Arc<AtomicU64>);

impl Spent {
    /// Adds `cost`; an error when that is more than the budget.
    pub(crate) fn add(&self, cost: u64) -> Result<(), ExecutionError> {
        let before = self.0.fetch_add(cost.min(BUDGET + 1), Ordering::Relaxed);
        if before.saturating_add(cost) > BUDGET {
            return Err(ExecutionError::function_error(RANGE, "too much work"));
        }
        Ok(())
    }

    /// Whether more was used up than allowed, whatever the expression made of the error.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) > BUDGET
    }

    /// Makes the charging calls known to `context`.
    pub(crate) fn install(&self, context: &mut Context<'_, '_>) -> Result<(), cel::DeclarationError> {
        let spent = self.clone();
        context.add_function(RANGE, move |Arguments(arguments): Arguments| range(&spent, &arguments))?;
        let spent = self.clone();
        context.add_function(WITHIN, move |Arguments(_): Arguments| Ok(Value::Bool(!spent.is_over())))?;
        let spent = self.clone();
        context.add_function(WALK, move |Arguments(arguments): Arguments| walk(&spent, &arguments))
    }
}

/// `@range(value, nodes)`: charges, and gives a map's keys in order.
fn range(spent: &Spent, arguments: &[Value]) -> Result<Value, ExecutionError> {
    let (value, nodes) = match arguments {
        [value, Value::Int(nodes)] => (value, u64::try_from(*nodes).unwrap_or(u64::MAX)),
        _ => return Err(ExecutionError::invalid_argument_count(2, arguments.len())),
    };
    spent.add(weight(value))?;
    match value {
        Value::Map(map) => {
            spent.add(nodes.saturating_mul(map.map.len() as u64))?;
            let mut keys: Vec<&Key> = map.map.keys().collect();
            keys.sort();
            Ok(Value::List(Arc::new(keys.into_iter().map(Value::from).collect())))
        }
        Value::List(list) => {
            spent.add(nodes.saturating_mul(list.len() as u64))?;
            Ok(value.clone())
        }
        other => Ok(other.clone()),
    }
}

/// `@walk(value)`: charges and gives the value back.
fn walk(spent: &Spent, arguments: &[Value]) -> Result<Value, ExecutionError> {
    let [value] = arguments else {
        return Err(ExecutionError::invalid_argument_count(1, arguments.len()));
    };
    spent.add(weight(value))?;
    Ok(value.clone())
}

/// How much there is to walk through, at any depth: the interpreter copies and compares whole values.
fn weight(value: &Value) -> u64 {
    match value {
        Value::List(list) => list.iter().map(|element| 1 + weight(element)).sum(),
        Value::Map(map) => map.map.values().map(|member| 1 + weight(member)).sum(),
        Value::String(text) => text.len() as u64 / 32,
        Value::Bytes(bytes) => bytes.len() as u64 / 32,
        _ => 0,
    }
}

/// Wraps what has to be charged for; returns the number of nodes of the expression as written.
pub(crate) fn wrap(expression: &mut IdedExpr) -> u64 {
    1 + match &mut expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => 0,
        Expr::Select(select) => wrap(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().map(wrap).sum(),
        Expr::Map(map) => map.entries.iter_mut().map(|entry| wrap_entry(&mut entry.expr)).sum(),
        Expr::Struct(object) => object.entries.iter_mut().map(|entry| wrap_entry(&mut entry.expr)).sum(),
        Expr::Call(call) => {
            let nodes = call.target.iter_mut().map(|target| wrap(target)).sum::<u64>()
                + call.args.iter_mut().map(wrap).sum::<u64>();
            wrap_operands(call);
            nodes
        }
        Expr::Comprehension(comprehension) => {
            let range = wrap(&mut comprehension.iter_range);
            let body = wrap(&mut comprehension.accu_init)
                + wrap(&mut comprehension.loop_cond)
                + wrap(&mut comprehension.loop_step)
                + wrap(&mut comprehension.result);
            let id = comprehension.iter_range.id;
            let nodes = IdedExpr {
                id,
                expr: Expr::Literal(LiteralValue::Int(i64::try_from(body).unwrap_or(i64::MAX).into())),
            };
            charge(&mut comprehension.iter_range, RANGE, Some(nodes));
            let goes_on = std::mem::take(&mut comprehension.loop_cond);
            comprehension.loop_cond = call(id, operators::LOGICAL_AND, vec![call(id, WITHIN, Vec::new()), goes_on]);
            range + body
        }
    }
}

/// How deep the expression is nested.
pub(crate) fn depth(expression: &IdedExpr) -> usize {
    let entry = |entry: &EntryExpr| match entry {
        EntryExpr::StructField(field) => depth(&field.value),
        EntryExpr::MapEntry(entry) => depth(&entry.key).max(depth(&entry.value)),
    };
    1 + match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => 0,
        Expr::Select(select) => depth(&select.operand),
        Expr::List(list) => list.elements.iter().map(depth).max().unwrap_or(0),
        Expr::Map(map) => map.entries.iter().map(|each| entry(&each.expr)).max().unwrap_or(0),
        Expr::Struct(object) => object.entries.iter().map(|each| entry(&each.expr)).max().unwrap_or(0),
        Expr::Call(call) => call
            .target
            .iter()
            .map(|target| depth(target))
            .chain(call.args.iter().map(depth))
            .max()
            .unwrap_or(0),
        Expr::Comprehension(comprehension) => [
            &comprehension.iter_range,
            &comprehension.accu_init,
            &comprehension.loop_cond,
            &comprehension.loop_step,
            &comprehension.result,
        ]
        .into_iter()
        .map(depth)
        .max()
        .unwrap_or(0),
    }
}

fn wrap_entry(entry: &mut EntryExpr) -> u64 {
    match entry {
        EntryExpr::StructField(field) => wrap(&mut field.value),
        EntryExpr::MapEntry(entry) => wrap(&mut entry.key) + wrap(&mut entry.value),
    }
}

/// Whether it is what a macro collects its result in: no condition can contain such a name.
fn is_accumulator(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name.starts_with('@'))
}

/// Charges for the operands of operators and functions that walk through a whole value.
fn wrap_operands(call: &mut CallExpr) {
    match call.func_name.as_str() {
        operators::ADD if call.args.iter().any(is_accumulator) => {
            // `map` and `filter` append an element to what they have: the interpreter does that in
            // place, so only the element counts.
            for operand in &mut call.args {
                if let Expr::List(list) = &mut operand.expr {
                    list.elements.iter_mut().for_each(|element| charge(element, WALK, None));
                }
            }
        }
        operators::ADD | operators::EQUALS | operators::NOT_EQUALS | operators::IN => {
            for operand in &mut call.args {
                if !matches!(operand.expr, Expr::Literal(_)) {
                    charge(operand, WALK, None);
                }
            }
        }
        "contains" | "matches" => {
            if let Some(target) = &mut call.target {
                charge(target, WALK, None);
            } else if let Some(first) = call.args.first_mut() {
                charge(first, WALK, None);
            }
        }
        _ => {}
    }
}

/// Puts the charging call `name` around `expression`.
fn charge(expression: &mut IdedExpr, name: &str, further: Option<IdedExpr>) {
    let id = expression.id;
    let mut arguments = vec![std::mem::take(expression)];
    arguments.extend(further);
    *expression = call(id, name, arguments);
}

fn call(id: u64, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr {
        id,
        expr: Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: None,
            args,
        }),
    }
}
