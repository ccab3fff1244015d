---@meta grid.core
-- luacheck: ignore 212 241

-- Annotations of the objects of the C core for the Lua language server. No file loads
-- this one; a spec compares it with the methods of the classes of grid.core.

--- A reference to the shared engine. The last one that is closed closes the connections.
---@class grid.core.engine
local engine = {}

--- Starts one HTTP exchange. Entries of the request's headers that are false are skipped.
--- The id is the value that next_finished returns after the exchange has finished.
---@param request table method, url, headers, body?, not_after?: on core.boottime
---@param settings table max_response_bytes, ca_file?, proxy?, http1_only?, insecure_skip_tls_verify?
---@param timeout number seconds
---@param connect_timeout number seconds, for name lookup, connection and TLS
---@return grid.core.transfer? transfer, any id, string? code, string? message
function engine:start(request, settings, timeout, connect_timeout) end

--- Serves ready sockets, due timers and passed deadlines. Never blocks.
function engine:step() end

--- Sleeps until a step has work to do, at most `seconds`.
---@param seconds number
function engine:wait(seconds) end

--- Seconds until the next step is due if the descriptor does not become readable; nil:
--- none is due.
---@return number?
function engine:timeout() end

--- Readable when a step has work to do, and after `wake`; nil if the platform has no such
--- descriptor.
---@return integer?
function engine:fd() end

--- Makes the descriptor readable until `clear_wakeup`.
function engine:wake() end

function engine:clear_wakeup() end

---@return integer
function engine:in_flight() end

--- Removes the oldest transfer from the queue of finished transfers. -> its id | nil:
--- none
---@return any id
function engine:next_finished() end

--- False after `close`, and in a child of the process that made it.
---@return boolean
function engine:is_usable() end

function engine:close() end

--- One exchange. Closing or collecting a transfer in flight cancels it.
---@class grid.core.transfer
local transfer = {}

---@return boolean
function transfer:is_finished() end

--- The state so far: "unknown": sending has started; "yes": an answer was received.
---@return "no"|"unknown"|"yes"
function transfer:sent() end

--- The received part of the answer, its body as grid.core.bytes in `content`; and kind,
--- code and message if the answer is incomplete.
---@return table answer
function transfer:answer() end

function transfer:close() end

--- Bytes that are converted to a string on request.
---@class grid.core.bytes
local bytes = {}

---@return string
function bytes:string() end

--- The results of json_decode for these bytes, without a byte order mark.
---@param array_metatable table
---@param ... string|integer
---@return any value, string? kind_or_exact, string? code, string? message
function bytes:decode(array_metatable, ...) end

--- A P-256 key pair, wiped when it is closed or collected.
---@class grid.core.key
local key = {}

--- Base64 of the 91-byte SPKI DER.
---@return string
function key:public_key() end

--- Base64 of the PKCS#8 DER: a secret.
---@return string
function key:export() end

--- A text that may be logged.
---@return string
function key:fingerprint() end

--- Opens a key that was sealed to this pair. Both arguments are base64.
---@param encapsulated_key string
---@param ciphertext string
---@return grid.core.key? key, string? kind, string? code, string? message
function key:open(encapsulated_key, ciphertext) end

--- Signs the canonical form of a JSON text, which is passed as base64.
---@param payload string
---@return string? signature, string? kind, string? code, string? message
function key:sign_payload(payload) end

--- The signature as JWS has it (ES256): r and s, 32 bytes each.
---@param text string
---@return string? signature, string? kind, string? code, string? message
function key:sign_raw(text) end

function key:close() end

--- Replaces and removes files on threads. Closing or collecting it waits until the
--- submitted writes are done. In a forked child it is not usable.
---@class grid.core.writer
local writer = {}

--- Submits core.file_replace_if. The ids of a writer are 1, 2, …
---@param path string
---@param temporary_folder string
---@param expected string?
---@param text string
---@param modified number
---@param sweeps boolean?
---@param reserve_size integer?
---@return integer? id, string? kind, string? code, string? message
function writer:replace_if(path, temporary_folder, expected, text, modified, sweeps, reserve_size) end

--- Submits core.file_remove_if.
---@param path string
---@param expected string
---@return integer? id, string? kind, string? code, string? message
function writer:remove_if(path, expected) end

--- Readable while a result has not been taken.
---@return integer
function writer:fd() end

--- Takes the oldest result: with one thread, in the order of submission. No value: none
--- is finished.
---@return integer? id, boolean? ok, string? kind, string? code, string? message
function writer:next_finished() end

---@return boolean
function writer:is_usable() end

function writer:close() end

--- Sends datagrams to the UDP socket that has sent the secret. Closing or collecting it
--- ends its thread. In a forked child it sends nothing.
---@class grid.core.notifier
local notifier = {}

--- The port of 127.0.0.1 that expects the secret.
---@return integer
function notifier:port() end

--- Sends a datagram when the descriptor is readable, and one when `seconds` have passed,
--- unless it is armed again before. False: no datagram will be sent, since the secret has
--- not arrived or the descriptor cannot be polled.
---@param descriptor integer
---@param seconds number
---@return boolean
function notifier:arm(descriptor, seconds) end

--- Sends a datagram now.
function notifier:send() end

function notifier:close() end

--- A file during its replacement. Closing or collecting it removes the new file.
---@class grid.core.file
local file = {}

--- At most `limit` bytes of the old file.
---@param limit integer
---@return string? text, string? kind, string? code, string? message
function file:read(limit) end

--- Writes the new file, for `core.files_commit`. A failure closes the file.
---@param text string
---@return true? ok, string? kind, string? code, string? message
function file:write(text) end

--- Replaces the old file by one with the text. Always closes the file.
---@param text string
---@return true? ok, string? kind, string? code, string? message
function file:commit(text) end

function file:close() end
