---@meta grid.core
-- luacheck: ignore 212 241

-- Annotations of the C core for the Lua language server; those of its objects are in
-- objects.lua. No file loads this one; a spec compares it with the exports of grid.core.
-- A function that fails returns nil and three strings: the kind, the code and the message
-- of a grid.Error.

---@class grid.core
local core = {}

--- Seconds on CLOCK_MONOTONIC.
---@return number
function core.now() end

--- Foreign text on one line of valid UTF-8: controls and line separators become a blank,
--- invisible characters (directional marks, zero width, BOM) are removed, and bytes that
--- are no character become U+FFFD.
---@param text string
---@return string
function core.visible(text) end

--- Valid JSON with such characters as escapes; its value is the same.
---@param json string
---@return string
function core.visible_json(json) end

--- Does one of the other texts have a common substring of `size` bytes with `text`?
---@param text string
---@param size integer 4 to 64
---@param ... string
---@return boolean
function core.overlaps(text, size, ...) end

--- A new random UUID, version 4.
---@return string
function core.uuid() end

--- A date of HTTP (RFC 9110 section 5.6.7) as seconds since 1970; no value: it is none.
---@param text string
---@return integer?
function core.http_date(text) end

--- Seconds since boot, including suspension (CLOCK_BOOTTIME).
---@return number
function core.boottime() end

---@class grid.core.machine
---@field pid string
---@field start_time? string of this process, in clock ticks since boot
---@field boot_id? string
---@field machine_id? string
---@field pid_namespace? string
---@field time_namespace? string

--- Identifies this process and its machine. A field is nil if the kernel does not report
--- the value.
---@return grid.core.machine
function core.machine() end

--- The process id, which differs in a forked child. Takes less time than core.machine.
---@return integer
function core.pid() end

--- The state of the process with that id. A zombie is "gone".
---@param pid integer
---@return "alive"|"gone"|"unknown" state, string? start_time
function core.process(pid) end

---@param size integer 1 to 4096
---@return string? bytes, string? kind, string? code, string? message
function core.random_bytes(size) end

--- Two digits for each byte, in lower case.
---@param bytes string up to 64 bytes
---@return string
function core.hex(bytes) end

--- ChaCha20-Poly1305 (RFC 8439): the ciphertext and its tag.
---@param key string 32 bytes
---@param nonce string 12 bytes, not to be used twice with one key
---@param aad string
---@param plaintext string
---@return string? ciphertext, string? kind, string? code, string? message
function core.aead_seal(key, nonce, aad, plaintext) end

---@param key string
---@param nonce string
---@param aad string
---@param ciphertext string
---@return string? plaintext, string? kind, string? code, string? message
function core.aead_open(key, nonce, aad, ciphertext) end

---@param text string
---@return string? digest, string? kind, string? code, string? message
function core.sha256(text) end

---@param key string
---@param text string
---@return string? tag, string? kind, string? code, string? message
function core.hmac_sha256(key, text) end

--- RFC 5869.
---@param ikm string
---@param salt string
---@param info string
---@param size integer 1 to 8160
---@return string? okm, string? kind, string? code, string? message
function core.hkdf_sha256(ikm, salt, info, size) end

--- RFC 4648 section 5, without padding.
---@param bytes string
---@return string? text, string? kind, string? code, string? message
function core.base64url_encode(bytes) end

---@param text string
---@return string? bytes, string? kind, string? code, string? message
function core.base64url_decode(text) end

--- Can the running coroutine yield? Not across a C function such as string.gsub or
--- require.
---@return boolean
function core.is_yieldable() end

--- The number of memory blocks in use by the C core.
---@return integer
function core.live() end

--- A reference to the engine that all clients of this Lua state share.
---@return grid.core.engine? engine, string? kind, string? code, string? message
function core.engine() end

--- The libcurl at run time, for specs and bug reports.
---@return string version
---@return boolean has_http2 false: built without HTTP/2; all calls use HTTP/1.1
function core.libcurl() end

--- Objects and arrays become tables, arrays with that metatable; null becomes cjson.null;
--- whole numbers become integers if the VM has integers.
---@param text string
---@param array_metatable table
---@param ... string|integer names and positions that lead to a value
---@return any value, string? kind_or_exact, string? code, string? message
function core.json_decode(text, array_metatable, ...) end

---@param value any
---@param array_metatable table
---@param empty_array_metatable? table
---@param empty_array? any
---@return string? text, string? kind, string? code, string? message
function core.json_encode(value, array_metatable, empty_array_metatable, empty_array) end

--- The bytes of a value by its form; see grid.keeper.codec. Code: bad_value.
---@param form table
---@param value any
---@param prefix? string  precedes the bytes
---@return string? bytes, string? kind, string? code, string? message
function core.fields_encode(form, value, prefix) end

--- The exact bytes of a value inside a JSON text; a step is a member's name or an
--- element's position.
---@param text string
---@param ... string|integer
---@return string? bytes, string? kind, string? code, string? message
function core.json_slice(text, ...) end

--- For each member of a JSON object its name, then its exact bytes including the name; no
--- value: the text is not an object.
---@param text string
---@return string[]? members, string? kind, string? code, string? message
function core.json_members(text) end

--- A new random pair.
---@return grid.core.key? key, string? kind, string? code, string? message
function core.key_new() end

--- The pair of a private key in a form of src/crypto/key.h.
---@param text string
---@return grid.core.key? key, string? kind, string? code, string? message
function core.key_from_text(text) end

--- RFC 8785.
---@param text string
---@return string? canonical, string? kind, string? code, string? message
function core.canonicalize(text) end

--- A fingerprint of a token, which may be logged.
---@param text string
---@return string
function core.fingerprint(text) end

--- Locks the file, if it exists, and begins its replacement.
---@param path string
---@return grid.core.file? file, string? kind, string? code, string? message
function core.file_begin(path) end

--- The content of a file of up to `limit` bytes. Codes: not_found, too_large, not_read.
---@param path string
---@param limit integer
---@return string? text, string? kind, string? code, string? message
function core.file_read(path, limit) end

--- Replaces a file durably, if it begins with the bytes of `expected`; without
--- `expected`, creates the file if it does not exist. False: conflict. The temporary file
--- is in a folder that contains only temporary files; with `sweeps`, those of ended
--- writers are removed first. `modified` becomes the modification time. `reserve_size`:
--- bytes of disk space that are reserved for the next replacement of the file. Codes:
--- not_written, not_read, busy, not_durable (the file was changed, but a loss of power
--- may undo that).
---@param path string
---@param temporary_folder string on the same file system
---@param expected string? 1 to 256 bytes
---@param text string
---@param modified number seconds since 1970
---@param sweeps boolean?
---@param reserve_size integer?
---@return boolean? is_done, string? kind, string? code, string? message
function core.file_replace_if(path, temporary_folder, expected, text, modified, sweeps, reserve_size) end

--- Removes a file durably, if it begins with those bytes. False: conflict; a missing file
--- is one. Codes: not_removed, not_read, busy, not_durable.
---@param path string
---@param expected string
---@return boolean? is_done, string? kind, string? code, string? message
function core.file_remove_if(path, expected) end

--- Replaces and removes files on threads, for event loops.
---@param most_threads integer? 1 to 8; default: 1
---@return grid.core.writer? writer, string? kind, string? code, string? message
function core.writer(most_threads) end

--- Polls a descriptor on a thread, for event loops that poll only their own sockets.
---@param secret string 16 bytes
---@return grid.core.notifier? notifier, string? kind, string? code, string? message
function core.notifier(secret) end

--- An object of which this process has one at a time, for each number. It ends when it is
--- collected, at the latest with its Lua VM.
---@param number integer 1 or 2
---@return userdata? claim nil: there is one
function core.claim(number) end

--- The names in a folder, in no order.
---@param folder string
---@return string[]? names, string? kind, string? code, string? message
function core.file_names(folder) end

--- The regular files of a folder whose modification time is `until_time` or earlier, in
--- no order, and their times; the earliest time of the others; and the modification time
--- of the folder before it was read.
---@param folder string
---@param until_time number seconds since 1970
---@return string[]? names, number[]|string times_or_kind, number|string|nil next_or_code, number|string folder_time_or_message
function core.files_modified(folder, until_time) end

--- The modification time of a file or folder, in seconds since 1970.
---@param path string
---@return number? time, string? kind, string? code, string? message
function core.file_time(path) end

--- A text that differs after each change of a file or of its name, and the time of the
--- last change, in seconds since 1970. After two changes within one tick of the file
--- system's clock the text may be the same.
---@param path string
---@return string? stamp, number|string|nil time_or_kind, string? code, string? message
function core.file_stamp(path) end

--- Makes a folder, 0700, unless it exists. Durable after its parent is synced.
---@param path string
---@return true? ok, string? kind, string? code, string? message
function core.folder_make(path) end

--- Syncs the names in a folder to the disk.
---@param path string
---@return true? ok, string? kind, string? code, string? message
function core.folder_sync(path) end

--- Fails unless only the user of this process and root can change the files in the
--- folder. Codes: not_found, not_read, not_private.
---@param path string
---@return true? ok, string? kind, string? code, string? message
function core.folder_check(path) end

--- A text that is the same for all paths of a folder, which may not exist yet: device and
--- inode of the last folder on the way that exists, and the names of the others.
---@param path string
---@return string? place, string? kind, string? code, string? message
function core.folder_place(path) end

--- Commits and closes up to 64 written files. -> position of a file that failed to its
--- kind, code and message
---@param files grid.core.file[]
---@return table<integer, string[]> failures
function core.files_commit(files) end

--- A dangling symbolic link exists.
---@param path string
---@return boolean? exists, string? kind, string? code, string? message
function core.file_exists(path) end

---@param descriptor integer
---@return boolean
function core.is_terminal(descriptor) end

--- Opens /dev/null for each standard descriptor that is closed; reads and writes of such
--- a descriptor still fail. For a command, not for a library.
function core.fill_standard() end

--- Installs handlers that record the first SIGINT, SIGTERM and SIGHUP, and ignores
--- SIGPIPE, until release_signals.
function core.catch_signals() end

--- Restores what handled these signals before, after as many calls as of catch_signals.
function core.release_signals() end

--- Was a signal recorded?
---@return boolean
function core.signal_caught() end

return core
