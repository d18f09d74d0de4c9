//! Sign-ins on their way to another cache.

use std::sync::Arc;

use token_core::{
    Broker, BrokerError, Credential, Endpoints, Entry, Grant, HostIdentities, Kind, Left, ManagedIdentity,
    ManualClock, MemoryCache, Migrated, Moved, SignIn, State, Swap, TokenCache, Version,
};

use crate::world::{BOTH, Leases, Op, Process, Rotation, World, seconds, until};

/// Another cache, under a key of its own, which reaches the same issuer.
struct Elsewhere {
    broker: Broker,
    memory: MemoryCache,
}

impl Elsewhere {
    fn of(world: &World) -> Self {
        Self::at(world, world.clock.clone())
    }

    /// One whose clock is not the world's.
    fn at(world: &World, clock: Arc<ManualClock>) -> Self {
        let memory = MemoryCache::with_clock(clock.clone());
        let line = token_core::KeyRing::generate_line();
        let keys = token_core::KeyRing::parse(line.expose()).unwrap();
        let wire = world.process("elsewhere").wire;
        let broker = Broker::new(Arc::new(memory.clone()), keys, wire).with_clock(clock);
        Self { broker, memory }
    }

    async fn credentials(&self) -> usize {
        self.memory.list(Kind::Credential).await.unwrap().len()
    }
}

async fn migrate(process: &Process, to: &Elsewhere) -> Migrated {
    process.broker.migrate(&to.broker, false, HostIdentities::None).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_moves_with_its_account_and_leaves_nothing_behind() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let to = Elsewhere::of(&world);
        let migrated = migrate(&world.process("a"), &to).await;
        let moved = Moved { account: world.account.name.clone(), sign_in: world.account.sign_in.clone() };
        assert_eq!(migrated, Migrated { moved: vec![moved], left: Vec::new() });

        // What it left: no credential, no token, no account, and no way to spend it.
        for kind in [Kind::Credential, Kind::AccessToken] {
            assert!(world.memory.list(kind).await.unwrap().is_empty(), "{kind}");
        }
        let here = world.process("a");
        assert!(here.broker.profile().await.unwrap().accounts.is_empty());
        let error = here.get(&world.request()).await.unwrap_err();
        assert!(matches!(error, BrokerError::NotSignedIn { .. }), "{error:?}");

        // What it brought: a sign-in that refreshes.
        let profile = to.broker.profile().await.unwrap();
        assert_eq!(profile.accounts, std::slice::from_ref(&world.account));
        to.broker.access_token(&world.request()).await.unwrap();
        assert_eq!(world.issuer.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_moves_nobody_spends_it() {
    let world = World::fleet().await;
    let to = Elsewhere::of(&world);
    let mover = world.process("a");
    mover.dies_after(Op::Swap, Kind::Credential, 0);
    until_dead(&mover, &to.broker).await;
    world.settle();
    assert!(matches!(world.state().await, State::Moving(..)));
    let error = world.process("b").get(&world.forced()).await.unwrap_err();
    assert!(matches!(error, BrokerError::Moving { .. }), "{error:?}");
    assert_eq!(world.issuer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_killed_anywhere_is_run_again() {
    for leases in BOTH {
        for (op, kind) in [
            (Op::Load, Kind::Credential),
            (Op::Swap, Kind::Credential),
            (Op::Swap, Kind::AccessToken),
            (Op::Load, Kind::Profile),
            (Op::Swap, Kind::Profile),
        ] {
            for (skip, after) in [(0, false), (0, true), (1, false), (1, true)] {
                let at = format!("{leases:?}, {op:?} of {kind} {skip}, after: {after}");
                let world = World::new(leases, Rotation::Strict).await;
                let to = Elsewhere::of(&world);
                let mover = world.process("a");
                match after {
                    true => mover.dies_after(op, kind, skip),
                    false => mover.dies_before(op, kind, skip),
                }
                let task = tokio::spawn({
                    let (from, to) = (mover.broker.clone(), to.broker.clone());
                    async move { from.migrate(&to, false, HostIdentities::None).await }
                });
                until("the mover is done or dead", || mover.is_dead() || task.is_finished()).await;
                task.abort();
                world.settle();

                let again = migrate(&world.process("a"), &to).await;
                assert_eq!(again.left, Vec::new(), "{at}");
                assert!(world.memory.list(Kind::Credential).await.unwrap().is_empty(), "{at}");
                assert!(world.process("a").broker.profile().await.unwrap().accounts.is_empty(), "{at}");
                assert_eq!(to.credentials().await, 1, "{at}");
                assert_eq!(to.broker.profile().await.unwrap().accounts.len(), 1, "{at}");
                to.broker
                    .access_token(&world.request())
                    .await
                    .unwrap_or_else(|error| panic!("{at}: {error}"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_under_way_is_waited_for_and_its_new_token_moves() {
    let world = World::fleet().await;
    let to = Elsewhere::of(&world);
    let asked = world.process("a").ask(&world.forced());
    until("the refresh is sent", || world.issuer.requests() == 1).await;
    let migrated = migrate(&world.process("b"), &to).await;
    asked.await.unwrap().unwrap();
    assert_eq!(migrated.moved.len(), 1);
    to.broker.access_token(&world.forced()).await.unwrap();
    assert_eq!((world.issuer.requests(), world.issuer.most_in_flight()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rescue_comes_home_before_its_credential_moves() {
    let world = World::one_host().await;
    let to = Elsewhere::of(&world);
    // Given a process that was killed when it had rescued an answer and not stored it.
    let killed = world.process("a");
    killed.dies_before(Op::Swap, Kind::Credential, 1);
    let asked = killed.ask(&world.forced());
    until("it is dead", || killed.is_dead()).await;
    asked.abort();
    assert_eq!(world.rescued("a").len(), 1);
    world.clock.advance(seconds(61));
    assert_eq!(migrate(&world.process("a"), &to).await.moved.len(), 1);
    to.broker.access_token(&world.forced()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_successor_that_comes_home_behind_the_mover_is_taken_along() {
    let world = World::fleet().await;
    let to = Elsewhere::of(&world);
    // Given a process that was killed when it had rescued an answer, where only its own host finds it.
    let killed = world.process("a");
    killed.dies_before(Op::Swap, Kind::Credential, 1);
    let asked = killed.ask(&world.forced());
    until("it is dead", || killed.is_dead()).await;
    asked.abort();
    world.clock.advance(seconds(61));
    // And a mover on another host, which has brought the spent token and not deleted it.
    let mover = world.process("b");
    mover.dies_before(Op::Swap, Kind::Credential, 1);
    until_dead(&mover, &to.broker).await;
    assert_eq!(to.credentials().await, 1);
    world.settle();
    // When its own host brings the successor home.
    world.process("a").get(&world.forced()).await.unwrap();
    assert_eq!(migrate(&world.process("b"), &to).await.moved.len(), 1);
    to.broker.access_token(&world.forced()).await.unwrap();
}

/// Moves the sign-in and is killed when it has arrived and is not deleted here.
async fn interrupted(from: &Process, to: &Broker) {
    from.dies_before(Op::Swap, Kind::Credential, 1);
    until_dead(from, to).await;
}

/// Begins to move, and dies where it was told to.
async fn until_dead(mover: &Process, to: &Broker) {
    let task = tokio::spawn({
        let (from, to) = (mover.broker.clone(), to.clone());
        async move { from.migrate(&to, false, HostIdentities::None).await }
    });
    until("the mover is dead", || mover.is_dead()).await;
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn what_was_wrong_with_it_goes_along_though_the_mover_was_killed() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let to = Elsewhere::of(&world);
        let note = world.leave_note("another", seconds(60)).await;
        let mover = world.process("a");
        mover.dies_after(Op::Swap, Kind::Credential, 0);
        until_dead(&mover, &to.broker).await;
        world.settle();
        assert_eq!(migrate(&world.process("a"), &to).await.moved.len(), 1);
        // The token had been spent by whom the note names, and whoever is refused says so.
        world.issuer.end("rt-1");
        let error = to.broker.access_token(&world.forced()).await.unwrap_err();
        let BrokerError::SignInNeeded { interrupted: Some(named), .. } = error else { panic!("{error:?}") };
        assert_eq!(*named, note, "{leases:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_that_was_interrupted_can_be_turned_around() {
    for spent in [false, true] {
        let world = World::fleet().await;
        let to = Elsewhere::of(&world);
        interrupted(&world.process("a"), &to.broker).await;
        world.settle();
        if spent {
            to.broker.access_token(&world.forced()).await.unwrap();
        }
        let here = world.process("a");
        let back = to.broker.migrate(&here.broker, false, HostIdentities::None).await.unwrap();
        assert_eq!((back.moved.len(), to.credentials().await), (1, 0), "spent: {spent}");
        here.get(&world.forced()).await.unwrap();
        assert!(matches!(world.state().await, State::Idle(_)));
        assert!(world.lives().await);
    }
}

/// The clock of a store may be wrong, and two stores may disagree by any time.
#[tokio::test(start_paused = true)]
async fn which_of_two_copies_is_ahead_is_told_without_a_clock() {
    let now = 1_800_000_000;
    for elsewhere in [now - 3600, now + 3600] {
        // It has arrived and was spent twice over there, before the run goes on.
        let world = World::fleet().await;
        let to = Elsewhere::at(&world, Arc::new(ManualClock::at(elsewhere)));
        interrupted(&world.process("a"), &to.broker).await;
        world.settle();
        for _ in 0..2 {
            to.broker.access_token(&world.forced()).await.unwrap();
        }
        migrate(&world.process("a"), &to).await;
        to.broker.access_token(&world.forced()).await.unwrap();

        // It goes back, is spent twice when it has arrived, and comes once more.
        let world = World::fleet().await;
        let to = Elsewhere::at(&world, Arc::new(ManualClock::at(elsewhere)));
        migrate(&world.process("a"), &to).await;
        to.broker.access_token(&world.forced()).await.unwrap();
        let here = world.process("a");
        here.dies_after(Op::Swap, Kind::Profile, 0);
        let back = tokio::spawn({
            let (from, here) = (to.broker.clone(), here.broker.clone());
            async move { from.migrate(&here, false, HostIdentities::None).await }
        });
        until("the mover is dead", || here.is_dead()).await;
        back.abort();
        world.settle();
        let here = world.process("a");
        for _ in 0..2 {
            here.get(&world.forced()).await.unwrap();
        }
        migrate(&here, &to).await;
        to.broker.access_token(&world.forced()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_signed_out_over_there_stays_so() {
    let world = World::fleet().await;
    let to = Elsewhere::of(&world);
    interrupted(&world.process("a"), &to.broker).await;
    world.settle();
    to.broker.sign_out(&world.account).await.unwrap();
    migrate(&world.process("a"), &to).await;
    assert!(to.broker.profile().await.unwrap().accounts.is_empty());
    assert!(world.process("a").broker.profile().await.unwrap().accounts.is_empty());
    assert!(world.memory.list(Kind::Credential).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_may_have_arrived_in_one_cache_goes_to_no_third() {
    let world = World::fleet().await;
    let to = Elsewhere::of(&world);
    let elsewhere = |grant| State::Moving(Box::new(State::Idle(grant)), "elsewhere".to_owned());
    world.set_state(elsewhere).await;
    let migrated = migrate(&world.process("a"), &to).await;
    assert_eq!(migrated.left, [(world.account.name.clone(), Left::OnItsWay)]);
    assert_eq!(to.credentials().await, 0);
    assert!(matches!(world.state().await, State::Moving(_, to) if to == "elsewhere"));
}

#[tokio::test(start_paused = true)]
async fn no_access_token_stays_where_a_mover_was_killed() {
    let world = World::fleet().await;
    let to = Elsewhere::of(&world);
    let mover = world.process("a");
    mover.dies_before(Op::Swap, Kind::AccessToken, 0);
    until_dead(&mover, &to.broker).await;
    assert_eq!(world.memory.list(Kind::AccessToken).await.unwrap().len(), 1);
    world.settle();
    assert_eq!(migrate(&world.process("a"), &to).await.moved.len(), 1);
    assert!(world.memory.list(Kind::AccessToken).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_over_there_is_no_sign_in_that_has_arrived() {
    let world = World::new(Leases::Time, Rotation::Strict).await;
    let to = Elsewhere::of(&world);
    let key = world.account.sign_in.credential();
    let entry = Entry { version: Version::random(), body: b"nonsense".to_vec(), discard_after: None };
    assert_eq!(to.memory.swap(&key, None, Some(&entry)).await.unwrap(), Swap::Done);
    let migrated = migrate(&world.process("a"), &to).await;
    assert_eq!(migrated.left, [(world.account.name.clone(), Left::Unreadable)]);
    assert!(matches!(world.state().await, State::Idle(_)));
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_read_keeps_no_other_here() {
    let world = World::new(Leases::Time, Rotation::Strict).await;
    let to = Elsewhere::of(&world);
    let key = token_core::SignInId::random().credential();
    let entry = Entry { version: Version::random(), body: b"nonsense".to_vec(), discard_after: None };
    assert_eq!(world.memory.swap(&key, None, Some(&entry)).await.unwrap(), Swap::Done);
    let migrated = migrate(&world.process("a"), &to).await;
    assert_eq!(migrated.left, [(key.to_string(), Left::Unreadable)]);
    assert_eq!(migrated.moved.len(), 1);
    assert_eq!(world.memory.load(&key).await.unwrap(), Some(entry));
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_refused_where_two_caches_would_spend_one_token() {
    let world = World::fleet().await;
    let to = Elsewhere::of(&world);
    let migrated = world.process("a").broker.migrate(&to.broker, true, HostIdentities::None).await.unwrap();
    assert_eq!(migrated.left, [(world.account.name.clone(), Left::Rotates)]);
    assert!(matches!(world.state().await, State::Idle(_)));
    assert_eq!(to.credentials().await, 0);

    // At Microsoft a spent refresh token lives on.
    let world = World::microsoft().await;
    let to = Elsewhere::of(&world);
    let migrated = world.process("a").broker.migrate(&to.broker, true, HostIdentities::None).await.unwrap();
    assert_eq!(migrated.moved.len(), 1);
    to.broker.access_token(&world.forced()).await.unwrap();
    world.process("a").get(&world.forced()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_newer_sign_in_over_there_stays() {
    let world = World::new(Leases::Time, Rotation::Strict).await;
    let to = Elsewhere::of(&world);
    let account = token_core::Account { sign_in: token_core::SignInId::random(), ..world.account.clone() };
    let sign_in = world.new_sign_in(&account, crate::world::issuer_endpoints());
    to.broker.sign_in(sign_in).await.unwrap();
    let migrated = migrate(&world.process("a"), &to).await;
    assert_eq!(migrated.left, [(world.account.name.clone(), Left::SignedInThere)]);
    assert!(matches!(world.state().await, State::Idle(_)));
    assert_eq!(to.broker.profile().await.unwrap().accounts[0].sign_in, account.sign_in);
}

#[tokio::test(start_paused = true)]
async fn a_managed_identity_goes_only_where_it_may() {
    let own = ManagedIdentity::SystemAssigned;
    let given = ManagedIdentity::ClientId("agents".to_owned());
    for (identity, may_go, goes) in [
        (&own, HostIdentities::None, false),
        (&given, HostIdentities::None, false),
        (&own, HostIdentities::Assigned, false),
        (&given, HostIdentities::Assigned, true),
        (&own, HostIdentities::All, true),
    ] {
        let world = World::new(Leases::Time, Rotation::Strict).await;
        let to = Elsewhere::of(&world);
        let process = world.process("a");
        let sign_in = world.new_sign_in(&world.account, Endpoints::Host { tenant: None });
        let state = State::Idle(Grant::ManagedIdentity(identity.clone()));
        let credential = Credential { state, ..sign_in.credential };
        process.broker.sign_in(SignIn { credential, ..sign_in }).await.unwrap();
        let migrated = process.broker.migrate(&to.broker, false, may_go).await.unwrap();
        let left = (!goes).then(|| (world.account.name.clone(), Left::OfThisHost));
        assert_eq!(migrated.left, Vec::from_iter(left), "{identity:?} {may_go:?}");
        assert_eq!(to.credentials().await, usize::from(goes));
        assert!(goes || matches!(world.state().await, State::Idle(Grant::ManagedIdentity(_))));
    }
}
