//! The store of one machine: a SQLite file. Knows SQL; not what the items mean.
//!
//! One thread writes. It takes all transactions that wait, gives each a savepoint, and makes them durable with one commit
//! (`synchronous=FULL`), so that many writers share one flush of the disk. Nothing is acknowledged before that commit.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use tokio::sync::{Semaphore, oneshot};

use super::fields_json::{decode, encode};
use super::{Field, Fields, Item, Key, Query, Store, StoreError, When, Write};

/// Transactions that may wait; more are refused as [`StoreError::Busy`].
const WAITING: usize = 512;
/// Transactions that share one commit.
const GROUP: usize = 128;
/// Connections that read.
const READERS: usize = 4;
/// Rows that one round of purging takes, so that writers never wait long.
const PURGE_ROWS: usize = 5_000;

/// What was done to the file's tables, in order. A file that is behind gets the rest when it is opened.
const MIGRATIONS: &[&str] = &[
    // 1
    "CREATE TABLE items (
        pk TEXT NOT NULL,
        sk TEXT NOT NULL,
        fields TEXT NOT NULL,
        expires INTEGER,
        PRIMARY KEY (pk, sk)
    ) WITHOUT ROWID;
    CREATE INDEX items_expires ON items (expires) WHERE expires IS NOT NULL;",
];

type Done = oneshot::Sender<Result<u64, StoreError>>;

enum Job {
    Write(Vec<Write>, Done),
    Purge(u64, Done),
}

/// A SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    jobs: Option<mpsc::SyncSender<Job>>,
    writer: Option<thread::JoinHandle<()>>,
    readers: Arc<Mutex<Vec<Connection>>>,
    reading: Arc<Semaphore>,
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => StoreError::Busy,
        _ => StoreError::Failed(error.to_string()),
    }
}

fn lost<T>(_gone: T) -> StoreError {
    StoreError::Failed("the writer has stopped".to_owned())
}

fn connect(path: &Path, writes: bool) -> Result<Connection, StoreError> {
    let access = if writes {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    } else {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    };
    let connection =
        Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let done: usize =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if done > MIGRATIONS.len() {
        return Err(StoreError::Failed(format!(
            "the file is of version {done}; this engine knows versions up to {}",
            MIGRATIONS.len()
        )));
    }
    for (index, step) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(step).map_err(failed)?;
        transaction.pragma_update(None, "user_version", index + 1).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

impl Sqlite {
    /// Opens a file, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// When the file cannot be opened or brought up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        create_private(path).map_err(|error| StoreError::Failed(format!("{}: {error}", path.display())))?;
        let mut connection = connect(path, true)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        migrate(&mut connection)?;
        let readers = (0..READERS).map(|_| connect(path, false)).collect::<Result<Vec<_>, _>>()?;
        let (jobs, waiting) = mpsc::sync_channel(WAITING);
        let writer = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_all(connection, &waiting))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            jobs: Some(jobs),
            writer: Some(writer),
            readers: Arc::new(Mutex::new(readers)),
            reading: Arc::new(Semaphore::new(READERS)),
        })
    }

    /// Writes a whole, consistent copy of the file while it is in use. In the copy every text field `epoch` is another one,
    /// so that whoever remembers more than the copy knows notices.
    ///
    /// # Errors
    /// When the copy cannot be written, or is there already.
    pub fn backup(&self, to: &Path, epoch: &str) -> Result<(), StoreError> {
        let source = connect(&self.path, false)?;
        if to.exists() {
            return Err(StoreError::Failed(format!("{} is there already", to.display())));
        }
        create_private(to).map_err(|error| StoreError::Failed(format!("{}: {error}", to.display())))?;
        let copied = (|| {
            source.execute("VACUUM INTO ?1", params![to.to_string_lossy()]).map_err(failed)?;
            let mark = "UPDATE items SET fields = json_set(fields, '$.epoch', ?1)
                        WHERE json_extract(fields, '$.epoch') IS NOT NULL";
            connect(to, true)?.execute(mark, params![epoch]).map_err(failed)
        })();
        if copied.is_err() {
            // Half a copy must not be taken for one. If it cannot be removed either, the failure is told all the same.
            std::fs::remove_file(to).ok();
        }
        copied.map(|_rows| ())
    }

    async fn submit(&self, job: impl FnOnce(Done) -> Job) -> Result<u64, StoreError> {
        let (done, result) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(()).map_err(lost)?;
        jobs.try_send(job(done)).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => StoreError::Busy,
            mpsc::TrySendError::Disconnected(_) => lost(()),
        })?;
        result.await.map_err(lost)?
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.reading).acquire_owned().await.map_err(lost)?;
        let readers = Arc::clone(&self.readers);
        let read = move || {
            let connection = lent(&readers).ok_or(()).map_err(lost)?;
            let result = query(&connection);
            readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(read).await.map_err(lost)?
    }
}

impl Drop for Sqlite {
    /// Lets the writer finish what it was given.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

fn lent(readers: &Mutex<Vec<Connection>>) -> Option<Connection> {
    readers.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Client addresses lie in the file, so nobody else on the machine may read it.
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

fn write_all(mut connection: Connection, waiting: &mpsc::Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let jobs: Vec<Job> = std::iter::once(first).chain(waiting.try_iter().take(GROUP - 1)).collect();
        let mut finished = Vec::with_capacity(jobs.len());
        let committed = commit(&mut connection, jobs, &mut finished);
        for (done, result) in finished {
            let result = match (&committed, result) {
                (Ok(()), result) => result,
                (Err(error), Ok(_)) => Err(error.clone()),
                (Err(_), Err(error)) => Err(error),
            };
            // Whoever asked may have gone away; the write stands.
            drop(done.send(result));
        }
    }
}

/// Does all jobs in one transaction. A job whose condition fails leaves nothing behind, and the others stand.
fn commit(
    connection: &mut Connection,
    jobs: Vec<Job>,
    finished: &mut Vec<(Done, Result<u64, StoreError>)>,
) -> Result<(), StoreError> {
    let begun = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate);
    let mut transaction = match begun {
        Ok(transaction) => transaction,
        Err(error) => {
            let error = failed(error);
            for job in jobs {
                let (Job::Write(_, done) | Job::Purge(_, done)) = job;
                finished.push((done, Err(error.clone())));
            }
            return Err(error);
        }
    };
    for job in jobs {
        let savepoint = transaction.savepoint().map_err(failed);
        let (done, result) = match job {
            Job::Write(writes, done) => (
                done,
                savepoint.and_then(|savepoint| {
                    for (index, write) in writes.iter().enumerate() {
                        apply(&savepoint, index, write)?;
                    }
                    savepoint.commit().map_err(failed).map(|()| 0)
                }),
            ),
            Job::Purge(now, done) => (
                done,
                savepoint.and_then(|savepoint| {
                    let rows = purge(&savepoint, now)?;
                    savepoint.commit().map_err(failed).map(|()| rows)
                }),
            ),
        };
        finished.push((done, result));
    }
    transaction.commit().map_err(failed)
}

fn purge(connection: &Connection, now: u64) -> Result<u64, StoreError> {
    let rows = connection
        .prepare_cached(
            "DELETE FROM items WHERE (pk, sk) IN
             (SELECT pk, sk FROM items WHERE expires IS NOT NULL AND expires <= ?1 LIMIT ?2)",
        )
        .and_then(|mut statement| statement.execute(params![now, PURGE_ROWS]))
        .map_err(failed)?;
    Ok(rows as u64)
}

fn fetch(connection: &Connection, key: &Key) -> Result<Option<Item>, StoreError> {
    connection
        .prepare_cached("SELECT sk, fields, expires FROM items WHERE pk = ?1 AND sk = ?2")
        .and_then(|mut statement| {
            statement.query_row(params![key.pk, key.sk], |row| item_of(&key.pk, row)).optional()
        })
        .map_err(failed)
}

fn item_of(pk: &str, row: &rusqlite::Row<'_>) -> rusqlite::Result<Item> {
    let text: String = row.get(1)?;
    Ok(Item { key: Key::new(pk, row.get::<_, String>(0)?), fields: decode(&text), expires: row.get(2)? })
}

fn holds(when: &When, old: Option<&Item>) -> bool {
    match when {
        When::Always => true,
        When::Absent => old.is_none(),
        When::Present => old.is_some(),
        When::Equals(name, value) => old.is_some_and(|old| {
            old.fields.get(name) == Some(&Field::Int(i64::try_from(*value).unwrap_or(i64::MAX)))
        }),
        When::Below(name, value) => {
            old.is_none_or(|old| !old.fields.contains_key(name) || old.get_int(name) < *value)
        }
    }
}

fn apply(connection: &Connection, index: usize, write: &Write) -> Result<(), StoreError> {
    let (Write::Put(_, when) | Write::Add(_, when) | Write::Delete(_, when)) = write;
    let needs_old = *when != When::Always || matches!(write, Write::Add(..));
    let old = if needs_old { fetch(connection, write.key())? } else { None };
    if !holds(when, old.as_ref()) {
        return Err(StoreError::Condition(index));
    }
    match write {
        Write::Put(item, _) => replace(connection, item),
        Write::Add(item, _) => {
            let mut sum = old.unwrap_or_else(|| Item::new(item.key.clone()));
            for (name, field) in &item.fields {
                add(&mut sum.fields, name, field);
            }
            sum.expires = item.expires.or(sum.expires);
            replace(connection, &sum)
        }
        Write::Delete(key, _) => connection
            .prepare_cached("DELETE FROM items WHERE pk = ?1 AND sk = ?2")
            .and_then(|mut statement| statement.execute(params![key.pk, key.sk]))
            .map(|_rows| ())
            .map_err(failed),
    }
}

fn add(fields: &mut Fields, name: &str, field: &Field) {
    match (fields.get_mut(name), field) {
        (Some(Field::Int(sum)), Field::Int(value)) => *sum = sum.saturating_add(*value),
        (Some(Field::Set(members)), Field::Set(more)) => members.extend(more.iter().cloned()),
        (_, field) => {
            fields.insert(name.to_owned(), field.clone());
        }
    }
}

fn replace(connection: &Connection, item: &Item) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO items (pk, sk, fields, expires) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut statement| {
            statement.execute(params![item.key.pk, item.key.sk, encode(&item.fields), item.expires])
        })
        .map(|_rows| ())
        .map_err(failed)
}

impl Store for Sqlite {
    async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        // One row takes less time than handing the question to another thread and the answer back.
        if let Ok(permit) = Arc::clone(&self.reading).try_acquire_owned()
            && let Some(connection) = lent(&self.readers)
        {
            let result = fetch(&connection, &key);
            self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            return result;
        }
        self.read(move |connection| fetch(connection, &key)).await
    }

    async fn query(&self, query: Query) -> Result<Vec<Item>, StoreError> {
        self.read(move |connection| {
            let order = if query.backwards { "DESC" } else { "ASC" };
            let text = format!(
                "SELECT sk, fields, expires FROM items WHERE pk = ?1 AND sk BETWEEN ?2 AND ?3
                 ORDER BY sk {order} LIMIT ?4"
            );
            let mut statement = connection.prepare_cached(&text).map_err(failed)?;
            let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
            let rows = statement
                .query_map(params![query.pk, query.from, query.to, limit], |row| item_of(&query.pk, row))
                .map_err(failed)?;
            rows.collect::<Result<Vec<_>, _>>().map_err(failed)
        })
        .await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.submit(|done| Job::Write(writes, done)).await.map(|_rows| ())
    }

    async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let writes = items.into_iter().map(|item| Write::Put(item, When::Always)).collect();
        self.write(writes).await
    }

    async fn purge(&self, now: u64) -> Result<u64, StoreError> {
        let mut sum = 0;
        loop {
            let rows = self.submit(|done| Job::Purge(now, done)).await?;
            sum += rows;
            if rows < PURGE_ROWS as u64 {
                return Ok(sum);
            }
        }
    }
}
