-- Transactions as Solana writes them, as far as a client may look into one: signatures
-- still to be made, who signs, which account is meant. What the instruction says is
-- random bytes. Addresses come as base58.
-- Does not know: accounts of the sandbox.

local bytes = require "sandbox.bytes"

local solana = {}

local SIGNATURE, HASH, INSTRUCTION = 64, 32, 40 -- bytes
local PROGRAM = bytes.random(32)

---@param account string the address that the instruction is about
---@param signers string[] addresses, fewer than 100
---@return string  bytes
function solana.transaction(account, signers)
  local count, keys = #signers, {}
  for i, address in ipairs(signers) do keys[i] = bytes.from_base58(address) end
  keys[#keys + 1] = bytes.from_base58(account)
  keys[#keys + 1] = PROGRAM
  return table.concat {
    string.char(count), ("\0"):rep(SIGNATURE * count),
    string.char(count, 0, 1),                          -- header: signers, of them read-only, others read-only
    string.char(#keys), table.concat(keys), bytes.random(HASH),
    string.char(1, #keys - 1, 1, count),               -- one instruction: of the program, with one account
    string.char(INSTRUCTION), bytes.random(INSTRUCTION),
  }
end

return solana
