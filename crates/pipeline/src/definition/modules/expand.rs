//! A step that uses a module becomes the module's steps.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use facts::{Digest, StepName};
use policy::Condition;
use serde_json::Value;

use super::inputs::Inputs;
use super::read::{ModuleFile, Parsed, is_like_one};
use super::{Base, DEEPEST, Library, Location, LocationError, MOST_USES, Missing, Module, UsedModule};
use crate::checks::Checks;
use crate::definition::{Reader, file, matrix};
use crate::diagnostic::Diagnostic;
use crate::fill::fill;
use crate::plan::{Instance, MOST_STEPS, PACKAGE, PlannedStep, RUN, RunInput};
use crate::within::Within;
use crate::yaml::{Node, Place, Source};

/// The most steps that one step may come to.
const MOST_STEPS_OF_ONE: usize = 1_000;
/// What a step may say that uses a module.
const BESIDE_USES: [&str; 5] = ["uses", "with", "needs", "when", "matrix"];

/// What was used so far in reading one definition.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    used: RefCell<BTreeMap<Location, UsedModule>>,
    uses: Cell<usize>,
    steps: Cell<usize>,
    /// What was read, or `None` where it is wrong, which was said.
    read: RefCell<BTreeMap<Location, Option<Rc<Parsed>>>>,
    /// The modules of which it was said that something is wrong with them.
    told: RefCell<BTreeSet<Location>>,
}

impl Tally {
    pub fn used(&self) -> Vec<UsedModule> {
        self.used.borrow().values().cloned().collect()
    }
}

/// Where a file stands that is read: the definition itself, or a module that it uses.
#[derive(Debug)]
pub(crate) struct At<'a> {
    pub library: &'a Library,
    pub tally: &'a Tally,
    pub base: Base,
    /// The modules on the way here, the outermost first.
    pub chain: Vec<Location>,
    /// The inputs, of a module.
    pub inputs: Option<Inputs>,
}

impl<'a> At<'a> {
    /// A definition itself.
    pub fn definition(library: &'a Library, tally: &'a Tally) -> Self {
        Self {
            library,
            tally,
            base: library.base(),
            chain: Vec::new(),
            inputs: None,
        }
    }
}

impl Reader<'_> {
    /// The steps of the module that a step uses, under the step's name or those of its instances; nothing where
    /// something is wrong, which is said.
    pub(in crate::definition) fn modules(
        &self,
        name: &str,
        step: &file::Step,
        (place, node): (Place, &Node),
        names: &BTreeSet<&str>,
    ) -> Vec<PlannedStep> {
        let (checks, before) = (self.checks, self.checks.count());
        self.says_only_uses(name, (place, node));
        if step.matrix.is_none() {
            return self.module(name, step, None, (place, node), names);
        }
        self.inputs_stand(node);
        let mut all = Vec::new();
        let mut left: BTreeMap<String, StepName> = BTreeMap::new();
        for (instance, name, step) in self.instances(name, step, node, names).unwrap_or_default() {
            let values = instance.values.clone();
            let steps = self.module(&name, &step, Some(instance), (place, node), names);
            // What is wrong with one is wrong with all.
            if checks.count() > before {
                return Vec::new();
            }
            let place = node.place_of(&["matrix"]);
            if let Some((file, twin)) = twice_left(&steps, &mut left) {
                let message = format!("two instances would leave `{file}`, one of them in `{twin}`");
                let hint = "let the module put an input into the path, and give each instance another value";
                checks.say(place, message, Some(hint));
                return Vec::new();
            }
            if let Some(axis) = values.keys().find(|axis| !tells(axis, &step)) {
                let message = format!("`{axis}` is without effect: the module is not told it");
                let hint = format!(
                    "give it to an input of the module, such as `with: {{ {axis}: ${axis} }}`, or ask for it in `when`"
                );
                let place = node
                    .get("matrix")
                    .and_then(|matrix| matrix.member(axis))
                    .map_or(place, |(key, _)| key.place);
                checks.say(place, message, Some(&hint));
                return Vec::new();
            }
            all.extend(steps);
        }
        all
    }

    /// The steps of the module that a step uses, or an instance of it, under its name.
    fn module(
        &self,
        name: &str,
        step: &file::Step,
        instance: Option<Instance>,
        (place, node): (Place, &Node),
        names: &BTreeSet<&str>,
    ) -> Vec<PlannedStep> {
        let (checks, before) = (self.checks, self.checks.count());
        let needs = self.needs(node, &step.needs, names);
        if let Some(when) = &step.when {
            self.when(node, when, step);
        }
        let Some((location, module, parsed)) = self.looked_up(step, node) else {
            return Vec::new();
        };
        let axes = instance.as_ref().map(|instance| &instance.values);
        let inputs = self.given(step, axes, (place, node), &location, &parsed);
        let Some(of) = checks
            .name::<StepName>(place, name)
            .filter(|_| checks.count() == before)
        else {
            return Vec::new();
        };
        let at = node.place_of(&["uses"]);
        let values = inputs.values.clone();
        let steps = self.inner(&location, at, module, &parsed, inputs);
        if steps.len() > MOST_STEPS_OF_ONE {
            let message = format!(
                "`{name}` comes to {} steps, more than the {MOST_STEPS_OF_ONE} that one may come to",
                steps.len()
            );
            checks.say(at, message, Some("take a part of the module into another one"));
            return Vec::new();
        }
        let tally = self.at.tally;
        tally.steps.set(tally.steps.get() + steps.len());
        if tally.steps.get() > MOST_STEPS {
            let message = format!("with their modules there are more steps than the {MOST_STEPS} allowed");
            checks.say(at, message, None);
            return Vec::new();
        }
        let using = Within {
            step: of,
            instance,
            module: location.to_string(),
            commit: module.commit.clone(),
            when: step.when.clone(),
            inputs: values,
        };
        let mut placed = Vec::with_capacity(steps.len());
        for step in steps {
            match place_within(step, &using, &needs) {
                Ok(step) => placed.push(step),
                Err(long) => {
                    let message = format!("the name `{long}` is too long: a step's has at most 63 characters");
                    checks.say(place, message, Some("give this step a shorter name"));
                    return Vec::new();
                }
            }
        }
        placed
    }

    /// What else such a step says is the module's to say.
    fn says_only_uses(&self, name: &str, (place, node): (Place, &Node)) {
        let checks = self.checks;
        if name == PACKAGE {
            let message = "`package` is the name of the step that puts the package together";
            checks.say(place, message, Some("choose another name"));
        }
        for (key, _) in node.members() {
            if !BESIDE_USES.contains(&key.name.as_str()) {
                checks.say(
                    key.place,
                    format!("`{}` is without effect: the step is the module that it uses", key.name),
                    Some("say it in the steps of the module, or give it to the module as an input"),
                );
            }
        }
    }

    /// The module that a step uses.
    fn looked_up(&self, step: &file::Step, node: &Node) -> Option<(Location, &Module, Rc<Parsed>)> {
        let (checks, tally) = (self.checks, self.at.tally);
        let at = node.place_of(&["uses"]);
        let location = match Location::read(step.uses.as_ref()?, &self.at.base) {
            Ok(location) => location,
            Err(LocationError { message, hint }) => {
                checks.say(at, message, Some(&hint));
                return None;
            }
        };
        let chain = || self.at.chain.iter();
        if chain().any(|outer| *outer == location) {
            let names: Vec<String> = chain()
                .skip_while(|outer| **outer != location)
                .chain([&location])
                .map(Location::file)
                .collect();
            let message = format!("modules use one another: {}", names.join(" -> "));
            checks.say(at, message, Some("take one of these uses away"));
            return None;
        }
        if self.at.chain.len() >= DEEPEST {
            let names: Vec<String> = chain().chain([&location]).map(Location::file).collect();
            let message = format!("modules use modules more than {DEEPEST} deep: {}", names.join(" -> "));
            checks.say(at, message, Some("use the inner ones in the definition"));
            return None;
        }
        tally.uses.set(tally.uses.get() + 1);
        if tally.uses.get() > MOST_USES {
            // What is more is not looked at, and said once.
            if tally.uses.get() == MOST_USES + 1 {
                let message = format!("modules are used more than {MOST_USES} times");
                checks.say(at, message, Some("put steps that belong together into one module"));
            }
            return None;
        }
        let module = match self.at.library.modules.get(&location) {
            Some(Ok(module)) => module,
            Some(Err(Missing { message, hint })) => {
                checks.say(at, message.clone(), Some(hint));
                return None;
            }
            None => {
                checks.say(at, format!("the module `{}` was not looked up", location.file()), None);
                return None;
            }
        };
        let known = tally.read.borrow().get(&location).cloned();
        let parsed = match known {
            Some(known) => known,
            None => {
                let file = location.file();
                let text = &module.text;
                let source = Source { file: &file, text };
                let parsed = Parsed::read(source);
                if parsed.is_err() && location.elsewhere.is_some() && !is_like_one(source) {
                    let hint = "it must be a map of `throughline: 1`, `inputs` and `steps`; `throughline check` says more where it lies";
                    checks.say(at, format!("`{file}` is no module"), Some(hint));
                } else if let Err(wrong) = &parsed {
                    self.wrong_within(&location, at, wrong.iter());
                }
                let parsed = parsed.ok().map(Rc::new);
                tally.read.borrow_mut().insert(location.clone(), parsed.clone());
                parsed
            }
        }?;
        let used = UsedModule {
            module: location.clone(),
            commit: module.commit.clone(),
            digest: Digest::of(&module.text),
        };
        tally.used.borrow_mut().insert(location.clone(), used);
        Some((location, module, parsed))
    }

    /// Something is wrong in a module that is used at `at`: it is said once, with the way that leads there.
    fn wrong_within<'d>(&self, location: &Location, at: Place, wrong: impl Iterator<Item = &'d Diagnostic>) {
        if !self.at.tally.told.borrow_mut().insert(location.clone()) {
            return;
        }
        let here = format!("{}:{}:{}", self.checks.source.file, at.line, at.column);
        for each in wrong {
            let mut told = each.clone();
            told.message = match each
                .message
                .strip_suffix(')')
                .filter(|said| said.contains(" (used in "))
            {
                Some(said) => format!("{said}, which is used in {here})"),
                None => format!("{} (used in {here})", each.message),
            };
            self.checks.add(told);
        }
    }

    /// The steps of a module, with its own names.
    fn inner(
        &self,
        location: &Location,
        place: Place,
        module: &Module,
        parsed: &Parsed,
        inputs: Inputs,
    ) -> Vec<PlannedStep> {
        let file = location.file();
        let checks = Checks::new(Source {
            file: &file,
            text: &module.text,
        });
        let at = At {
            library: self.at.library,
            tally: self.at.tally,
            base: location.base(),
            chain: self.at.chain.iter().chain([location]).cloned().collect(),
            inputs: Some(inputs),
        };
        let reader = Reader {
            checks: &checks,
            root: &parsed.root,
            at: &at,
        };
        let mut steps = reader.module_steps(&parsed.file);
        matrix::needs_of_instances(&mut steps);
        let wrong = checks.into_wrong();
        if wrong.is_empty() {
            return steps;
        }
        self.wrong_within(location, place, wrong.iter());
        Vec::new()
    }

    /// The steps of a module's file, which this reads.
    pub(super) fn module_steps(&self, file: &ModuleFile) -> Vec<PlannedStep> {
        let mut defaults = self.defaults(file.variables.clone(), file.shell.clone());
        let inputs = self.at.inputs.iter().flat_map(|inputs| &inputs.texts);
        defaults.variables.extend(inputs.cloned());
        self.steps(file.steps.clone(), &defaults)
    }
}

/// A module's step under the step that uses the module; or its name, where that is too long.
fn place_within(mut step: PlannedStep, using: &Within, needs: &[StepName]) -> Result<PlannedStep, String> {
    let under = |name: &StepName| {
        let full = format!("{}.{name}", using.step);
        StepName::new(full.as_str()).map_err(|_| full)
    };
    let asks = step.needs.is_empty() || step.conditions().any(|when| when.is_some());
    let sees_inputs = step.conditions().any(|when| when.is_some());
    step.name = under(&step.name)?;
    for need in &mut step.needs {
        *need = under(need)?;
    }
    if let Some(instance) = &mut step.instance {
        instance.of = under(&instance.of)?;
    }
    for inner in &mut step.within {
        inner.step = under(&inner.step)?;
        if let Some(instance) = &mut inner.instance {
            instance.of = under(&instance.of)?;
        }
    }
    if asks {
        step.needs.extend(needs.iter().cloned());
    }
    let mut using = using.clone();
    if !asks {
        using.when = None;
    }
    if !sees_inputs {
        using.inputs.clear();
    }
    step.within.insert(0, using);
    Ok(step)
}

/// Whether a step that uses a module does anything with a value of its matrix.
fn tells(axis: &str, step: &file::Step) -> bool {
    let names = |text: &str| {
        let found = Cell::new(false);
        let _ = fill(text, |name| {
            found.set(found.get() || name == axis);
            Some("")
        });
        found.get()
    };
    let told = |given: &Value| match given {
        Value::String(text) => names(text),
        Value::Array(all) => all.iter().filter_map(Value::as_str).any(names),
        _ => false,
    };
    if step.with.values().any(|given| told(&given.0)) {
        return true;
    }
    let Some(condition) = step.when.as_ref().and_then(|when| Condition::compile(when).ok()) else {
        return false;
    };
    let mut of_matrix = condition
        .members()
        .iter()
        .filter(|member| member.variable == "matrix")
        .peekable();
    match of_matrix.peek() {
        Some(_) => of_matrix.any(|member| member.name == axis),
        None => condition.variables().any(|variable| variable == "matrix"),
    }
}

/// A file that steps leave and that others left before, and the step that does.
fn twice_left(steps: &[PlannedStep], left: &mut BTreeMap<String, StepName>) -> Option<(String, StepName)> {
    let mut own = BTreeMap::new();
    for step in steps.iter().filter(|step| step.action == RUN) {
        let Ok(input) = serde_json::from_value::<RunInput>(step.input.clone()) else {
            continue;
        };
        let outputs = input.kept.into_iter().flat_map(|kept| kept.outputs);
        let files = outputs.chain(input.reports.into_iter().map(|report| report.path));
        own.extend(
            files
                .filter(|file| !file.starts_with('!'))
                .map(|file| (file, step.name.clone())),
        );
    }
    let twice = own.iter().find(|(file, _)| left.contains_key(*file));
    let twice = twice.map(|(file, step)| (file.clone(), step.clone()));
    left.append(&mut own);
    twice
}

/// Two steps of one name, which can only come of modules.
pub(in crate::definition) fn twins(steps: &[PlannedStep]) -> Option<&PlannedStep> {
    let mut names = BTreeSet::new();
    let mut has_modules = false;
    for step in steps {
        has_modules |= !step.within.is_empty();
    }
    if !has_modules {
        return None;
    }
    steps.iter().find(|step| !names.insert(&step.name))
}
